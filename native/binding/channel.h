// One client, its exchanges in the order they were asked for, one at a time, off the event loop.
//
//   method ──submit──▶ waiting ──start──▶ running (thread pool) ──complete──▶ Promise settled, next one starts
//
// Everything but Exchange::run happens on the JavaScript thread, so nothing here is locked.
//
// Lifetimes. The JavaScript object and, while it runs, the exchange under way each hold the channel. So an object
// that is collected unclosed still settles its Promises, and the descriptor is closed when both are done with it.
// When a worker is terminated, Node waits for the running exchange and then completes it in an environment that
// takes no more calls: what waits is dropped there. At process.exit it waits likewise, and completes nothing.
#pragma once

#include <node_api.h>

#include <deque>
#include <memory>
#include <optional>

#include "value.h"

namespace binding {

template <class Client>
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// Talks to the kernel; on any thread.
  virtual netlink::Outcome run(Client& client) = 0;
  /// What the Promise gives.
  virtual napi_value value(napi_env env) = 0;

  napi_deferred deferred = nullptr;
  netlink::Outcome outcome;
};

template <class Client>
class Channel : public std::enable_shared_from_this<Channel<Client>> {
 public:
  explicit Channel(Client client) : client_(std::move(client)) {}

  /// Queues an exchange; its Promise.
  napi_value submit(napi_env env, std::unique_ptr<Exchange<Client>> exchange) {
    napi_value promise = nullptr;
    if (napi_create_promise(env, &exchange->deferred, &promise) != napi_ok) return nullptr;
    if (closed_) {
      napi_reject_deferred(env, exchange->deferred, closedError(env));
      return promise;
    }
    waiting_.push_back(std::move(exchange));
    if (!running_) start(env);
    return promise;
  }

  /// Rejects what waits; the exchange under way ends as it would, then the descriptor is closed.
  void close(napi_env env) {
    closed_ = true;
    const auto rejected = std::exchange(waiting_, {});
    if (!running_) client_.reset();
    for (const auto& exchange : rejected) napi_reject_deferred(env, exchange->deferred, closedError(env));
  }

 private:
  void start(napi_env env) {
    running_ = std::move(waiting_.front());
    waiting_.pop_front();
    const napi_value name = toValue(env, std::string_view("kube-ipvs"));
    if (napi_create_async_work(env, nullptr, name, execute, complete, this, &work_) == napi_ok) {
      if (napi_queue_async_work(env, work_) == napi_ok) {
        self_ = this->shared_from_this();
        return;
      }
      napi_delete_async_work(env, work_);
    }
    // The environment is going away, and with it everyone who could hear of these.
    running_.reset();
    waiting_.clear();
  }

  static void execute(napi_env, void* data) {
    auto& channel = *static_cast<Channel*>(data);
    channel.running_->outcome = channel.running_->run(*channel.client_);
  }

  static void complete(napi_env env, napi_status, void* data) {
    auto& channel = *static_cast<Channel*>(data);
    const std::shared_ptr<Channel> self = std::move(channel.self_);
    napi_delete_async_work(env, channel.work_);
    // Still marked as running: settling may run JavaScript (a `then` someone put on Object.prototype) that calls
    // back into this channel.
    const bool settled = settle(env, *channel.running_);
    channel.running_.reset();
    if (!settled) channel.waiting_.clear();
    if (channel.closed_) channel.client_.reset();
    if (!channel.waiting_.empty()) channel.start(env);
  }

  static bool settle(napi_env env, Exchange<Client>& exchange) {
    if (!exchange.outcome.ok()) {
      return napi_reject_deferred(env, exchange.deferred, toError(env, exchange.outcome)) == napi_ok;
    }
    const napi_value value = exchange.value(env);
    return value != nullptr && napi_resolve_deferred(env, exchange.deferred, value) == napi_ok;
  }

  std::optional<Client> client_;
  std::deque<std::unique_ptr<Exchange<Client>>> waiting_;
  std::unique_ptr<Exchange<Client>> running_;
  std::shared_ptr<Channel> self_;  // while an exchange runs
  napi_async_work work_ = nullptr;
  bool closed_ = false;
};

}  // namespace binding
