#include "conntrack_socket.h"

#include "../families/conntrack_client.h"
#include "call.h"
#include "channel.h"

namespace binding {

namespace {

using netlink::Outcome;
using ConntrackExchange = Exchange<conntrack::Client>;

struct ConntrackSocket {
  static constexpr const char* className = "ConntrackSocket";
  static constexpr Addon::Class tag = Addon::conntrackSocket;
  std::shared_ptr<Channel<conntrack::Client>> channel;
};

napi_value construct(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  netlink::SocketOptions options;
  if (!call.constructs(info, ConntrackSocket::className) || !call.socketOptions(0, options)) return nullptr;
  netlink::Socket socket;
  const Outcome opened = conntrack::openSocket(options, socket);
  if (!opened.ok()) {
    napi_throw(env, toError(env, opened));
    return nullptr;
  }
  auto channel = std::make_shared<Channel<conntrack::Client>>(conntrack::Client(std::move(socket)));
  return wrap(call, std::unique_ptr<ConntrackSocket>(new ConntrackSocket{std::move(channel)}));
}

napi_value flows(const Call& call, ConntrackSocket& socket) {
  struct Find : ConntrackExchange {
    std::vector<conntrack::FlowKey> keys;
    std::vector<conntrack::Flow> found;
    Outcome run(conntrack::Client& client) override { return client.flows(keys, found); }
    napi_value value(napi_env env) override { return toRecords<conntrack::Flow>(env, found); }
  };
  auto exchange = std::make_unique<Find>();
  if (!call.records(0, "keys", exchange->keys)) return nullptr;
  if (!call.accepts("keys", exchange->keys, conntrack::keyViolationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value remove(const Call& call, ConntrackSocket& socket) {
  struct Remove : ConntrackExchange {
    std::vector<conntrack::Flow> given;
    netlink::Answers answers;
    Outcome run(conntrack::Client& client) override { return client.remove(given, answers); }
    napi_value value(napi_env env) override { return toValue(env, answers); }
  };
  auto exchange = std::make_unique<Remove>();
  if (!call.records(0, "flows", exchange->given)) return nullptr;
  if (!call.accepts("flows", exchange->given, conntrack::violationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value close(const Call& call, ConntrackSocket& socket) {
  socket.channel->close(call.env());
  return undefined(call.env());
}

}  // namespace

napi_value defineConntrackSocket(napi_env env) {
  const napi_property_descriptor methods[] = {
      method<ConntrackSocket, flows>("flows"),
      method<ConntrackSocket, remove>("delete"),
      method<ConntrackSocket, close>("close"),
  };
  napi_value constructor = nullptr;
  napi_define_class(env, ConntrackSocket::className, NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                    &constructor);
  return constructor;
}

}  // namespace binding
