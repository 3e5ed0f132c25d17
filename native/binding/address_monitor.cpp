#include "address_monitor.h"

#include <memory>

#include "../families/event_thread.h"
#include "../families/route_client.h"
#include "call.h"
#include "route_values.h"

namespace binding {

namespace {

// A monitor lives until it is closed, as fs.watch does: it is there for its calls, so letting go of the object does
// not end it. Unlike fs.watch it does not keep the process running unless ref() is called.
//
// Its thread ends in close(), or else in the clean-up hook: the latter is added after the thread-safe function and
// so runs before that one's own, which frees what the thread would call.
struct Monitor {
  napi_env env = nullptr;
  napi_threadsafe_function notifications = nullptr;
  napi_ref self = nullptr;
  route::EventThread thread;

  bool open() const { return notifications != nullptr; }
};

struct AddressMonitor {
  static constexpr const char* className = "AddressMonitor";
  static constexpr Addon::Class tag = Addon::addressMonitor;
  std::shared_ptr<Monitor> monitor;
};

void notify(void* context) {
  auto& monitor = *static_cast<Monitor*>(context);
  napi_call_threadsafe_function(monitor.notifications, nullptr, napi_tsfn_nonblocking);
}

// On the JavaScript thread. `env` is null for a notification that was queued when the monitor was closed; `context` is
// freed by then (Node 20 empties the queue after it has called the finalizer), so it is looked at first.
void deliver(napi_env env, napi_value onEvent, void* context, void*) {
  if (env == nullptr || onEvent == nullptr) return;
  Monitor& monitor = **static_cast<std::shared_ptr<Monitor>*>(context);
  if (!monitor.open()) return;
  const std::vector<route::Event> events = monitor.thread.take();
  if (events.empty()) return;
  const napi_value argument = toEvents(env, events);
  if (argument == nullptr) return;
  if (napi_call_function(env, undefined(env), onEvent, 1, &argument, nullptr) == napi_pending_exception) {
    // Node 20 would only warn of an exception in a callback; it is the listener's bug and must surface.
    napi_value exception = nullptr;
    if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
  }
}

void shut(void* data);

void closeMonitor(Monitor& monitor) {
  if (!monitor.open()) return;
  napi_remove_env_cleanup_hook(monitor.env, shut, &monitor);
  shut(&monitor);
}

void shut(void* data) {
  auto& monitor = *static_cast<Monitor*>(data);
  monitor.thread.stop();
  napi_release_threadsafe_function(std::exchange(monitor.notifications, nullptr), napi_tsfn_abort);
  napi_delete_reference(monitor.env, std::exchange(monitor.self, nullptr));
}

// Leaves an error pending and gives false where it fails.
bool listen(const Call& call, const std::shared_ptr<Monitor>& monitor, netlink::Socket socket) {
  const napi_env env = call.env();
  auto* context = new std::shared_ptr<Monitor>(monitor);
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Monitor>*>(hint); };
  const napi_value name = toValue(env, std::string_view("kube-ipvs"));
  napi_threadsafe_function notifications = nullptr;
  if (napi_create_threadsafe_function(env, call.argument(1), nullptr, name, 0, 1, context, release, context, deliver,
                                      &notifications) != napi_ok) {
    delete context;
    return false;
  }
  monitor->env = env;
  monitor->notifications = notifications;
  napi_unref_threadsafe_function(env, notifications);
  napi_create_reference(env, call.self(), 1, &monitor->self);
  napi_add_env_cleanup_hook(env, shut, monitor.get());
  const netlink::Outcome started = monitor->thread.start(std::move(socket), notify, monitor.get());
  if (started.ok()) return true;
  closeMonitor(*monitor);
  napi_throw(env, toError(env, started));
  return false;
}

napi_value construct(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  netlink::SocketOptions options;
  if (!call.constructs(info, AddressMonitor::className) || !call.socketOptions(0, options) ||
      !call.function(1, "onEvent")) {
    return nullptr;
  }
  netlink::Socket socket;
  const netlink::Outcome opened = route::openMonitor(options, socket);
  if (!opened.ok()) {
    napi_throw(env, toError(env, opened));
    return nullptr;
  }
  const auto monitor = std::make_shared<Monitor>();
  const napi_value self = wrap(call, std::unique_ptr<AddressMonitor>(new AddressMonitor{monitor}));
  return self != nullptr && listen(call, monitor, std::move(socket)) ? self : nullptr;
}

napi_value ignore(const Call& call, AddressMonitor& self) {
  uint32_t device = 0;
  if (!call.number(0, "ifindex", INT32_MAX, device)) return nullptr;
  self.monitor->thread.ignore(device);
  return undefined(call.env());
}

napi_value close(const Call& call, AddressMonitor& self) {
  closeMonitor(*self.monitor);
  return undefined(call.env());
}

napi_value ref(const Call& call, AddressMonitor& self) {
  if (self.monitor->open()) napi_ref_threadsafe_function(call.env(), self.monitor->notifications);
  return call.self();
}

napi_value unref(const Call& call, AddressMonitor& self) {
  if (self.monitor->open()) napi_unref_threadsafe_function(call.env(), self.monitor->notifications);
  return call.self();
}

}  // namespace

napi_value defineAddressMonitor(napi_env env) {
  const napi_property_descriptor methods[] = {
      method<AddressMonitor, ref>("ref"),
      method<AddressMonitor, unref>("unref"),
      method<AddressMonitor, ignore>("ignore"),
      method<AddressMonitor, close>("close"),
  };
  napi_value constructor = nullptr;
  napi_define_class(env, AddressMonitor::className, NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                    &constructor);
  return constructor;
}

}  // namespace binding
