#include "route_socket.h"

#include <linux/netlink.h>

#include <limits>

#include "../families/route_client.h"
#include "call.h"
#include "channel.h"
#include "route_values.h"

namespace binding {

namespace {

using netlink::Outcome;
using RouteExchange = Exchange<route::Client>;

struct RouteSocket {
  static constexpr const char* className = "RouteSocket";
  static constexpr Addon::Class tag = Addon::routeSocket;
  std::shared_ptr<Channel<route::Client>> channel;
};

napi_value construct(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  netlink::SocketOptions options;
  if (!call.constructs(info, RouteSocket::className) || !call.socketOptions(0, options)) return nullptr;
  netlink::Socket socket;
  const Outcome opened = socket.open(NETLINK_ROUTE, options);
  if (!opened.ok()) {
    napi_throw(env, toError(env, opened));
    return nullptr;
  }
  auto channel = std::make_shared<Channel<route::Client>>(route::Client(std::move(socket)));
  return wrap(call, std::unique_ptr<RouteSocket>(new RouteSocket{std::move(channel)}));
}

napi_value apply(const Call& call, RouteSocket& socket) {
  struct Apply : RouteExchange {
    std::vector<route::Record> ops;
    netlink::Answers answers;
    Outcome run(route::Client& client) override { return client.apply(ops, answers); }
    napi_value value(napi_env env) override { return toValue(env, answers); }
  };
  auto exchange = std::make_unique<Apply>();
  if (!call.records(0, "ops", exchange->ops)) return nullptr;
  if (!call.accepts("ops", exchange->ops, route::violationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value links(const Call& call, RouteSocket& socket) {
  struct Links : RouteExchange {
    std::vector<route::Link> found;
    Outcome run(route::Client& client) override { return client.links(found); }
    napi_value value(napi_env env) override { return toLinks(env, found); }
  };
  return socket.channel->submit(call.env(), std::make_unique<Links>());
}

// The records of one device, of all, or of all but one, as `read` gives them.
using Read = Outcome (route::Client::*)(uint32_t device, std::vector<route::Record>& records);

template <Read read>
napi_value recordsOf(const Call& call, RouteSocket& socket) {
  struct Records : RouteExchange {
    uint32_t device = 0;
    std::vector<route::Record> found;
    Outcome run(route::Client& client) override { return (client.*read)(device, found); }
    napi_value value(napi_env env) override { return toRecords<route::Record>(env, found); }
  };
  auto exchange = std::make_unique<Records>();
  if (!call.number(0, "ifindex", std::numeric_limits<int32_t>::max(), exchange->device)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value close(const Call& call, RouteSocket& socket) {
  socket.channel->close(call.env());
  return undefined(call.env());
}

}  // namespace

napi_value defineRouteSocket(napi_env env) {
  const napi_property_descriptor methods[] = {
      method<RouteSocket, apply>("apply"),
      method<RouteSocket, links>("links"),
      method<RouteSocket, recordsOf<&route::Client::addresses>>("addresses"),
      method<RouteSocket, recordsOf<&route::Client::otherAddresses>>("otherAddresses"),
      method<RouteSocket, recordsOf<&route::Client::localRoutes>>("localRoutes"),
      method<RouteSocket, close>("close"),
  };
  napi_value constructor = nullptr;
  napi_define_class(env, RouteSocket::className, NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                    &constructor);
  return constructor;
}

}  // namespace binding
