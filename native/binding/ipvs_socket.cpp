#include "ipvs_socket.h"

#include <linux/netlink.h>

#include <limits>

#include "../families/ipvs_client.h"
#include "call.h"
#include "channel.h"

namespace binding {

namespace {

using netlink::Outcome;
using IpvsExchange = Exchange<ipvs::Client>;

struct IpvsSocket {
  static constexpr const char* className = "IpvsSocket";
  static constexpr Addon::Class tag = Addon::ipvsSocket;
  std::shared_ptr<Channel<ipvs::Client>> channel;
};

napi_value construct(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  netlink::SocketOptions options;
  if (!call.constructs(info, IpvsSocket::className) || !call.socketOptions(0, options)) return nullptr;
  netlink::Socket socket;
  const Outcome opened = socket.open(NETLINK_GENERIC, options);
  if (!opened.ok()) {
    napi_throw(env, toError(env, opened));
    return nullptr;
  }
  auto channel = std::make_shared<Channel<ipvs::Client>>(ipvs::Client(std::move(socket)));
  return wrap(call, std::unique_ptr<IpvsSocket>(new IpvsSocket{std::move(channel)}));
}

napi_value apply(const Call& call, IpvsSocket& socket) {
  struct Apply : IpvsExchange {
    std::vector<ipvs::Op> ops;
    netlink::Answers answers;
    Outcome run(ipvs::Client& client) override { return client.apply(ops, answers); }
    napi_value value(napi_env env) override { return toValue(env, answers); }
  };
  auto exchange = std::make_unique<Apply>();
  if (!call.records(0, "ops", exchange->ops)) return nullptr;
  if (!call.accepts("ops", exchange->ops, ipvs::violationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value services(const Call& call, IpvsSocket& socket) {
  struct Services : IpvsExchange {
    std::vector<ipvs::Entry> entries;
    Outcome run(ipvs::Client& client) override { return client.services(entries); }
    napi_value value(napi_env env) override { return toRecords<ipvs::Entry>(env, entries); }
  };
  return socket.channel->submit(call.env(), std::make_unique<Services>());
}

napi_value traffic(const Call& call, IpvsSocket& socket) {
  struct ReadTraffic : IpvsExchange {
    std::vector<ipvs::Traffic> counters;
    Outcome run(ipvs::Client& client) override { return client.traffic(counters); }
    napi_value value(napi_env env) override { return toRecords<ipvs::Traffic>(env, counters); }
  };
  return socket.channel->submit(call.env(), std::make_unique<ReadTraffic>());
}

napi_value service(const Call& call, IpvsSocket& socket) {
  struct Find : IpvsExchange {
    std::vector<ipvs::Op> identities;
    std::vector<ipvs::Entry> entries;
    netlink::Answers answers;
    Outcome run(ipvs::Client& client) override { return client.find(identities, entries, answers); }
    napi_value value(napi_env env) override {
      return ObjectBuilder(env)
          .set("records", toRecords<ipvs::Entry>(env, entries))
          .set("errnos", toInt32Array(env, answers.errnos))
          .value();
    }
  };
  auto exchange = std::make_unique<Find>();
  if (!call.records(0, "ops", exchange->identities)) return nullptr;
  if (!call.accepts("ops", exchange->identities, ipvs::identityViolationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value destinations(const Call& call, IpvsSocket& socket) {
  struct Destinations : IpvsExchange {
    std::vector<ipvs::Op> services;
    std::vector<ipvs::Entry> entries;
    std::vector<uint32_t> counts;
    Outcome run(ipvs::Client& client) override { return client.destinations(services, entries, counts); }
    napi_value value(napi_env env) override {
      return ObjectBuilder(env)
          .set("records", toRecords<ipvs::Entry>(env, entries))
          .set("counts", toUint32Array(env, counts))
          .value();
    }
  };
  auto exchange = std::make_unique<Destinations>();
  if (!call.records(0, "services", exchange->services)) return nullptr;
  if (!call.accepts("services", exchange->services, ipvs::identityViolationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value info(const Call& call, IpvsSocket& socket) {
  struct ReadInfo : IpvsExchange {
    ipvs::Info read{};
    Outcome run(ipvs::Client& client) override { return client.info(read); }
    napi_value value(napi_env env) override {
      return ObjectBuilder(env)
          .set("version", toValue(env, double{static_cast<double>(read.version)}))
          .set("connectionTableSize", toValue(env, static_cast<double>(read.connectionTableSize)))
          .value();
    }
  };
  return socket.channel->submit(call.env(), std::make_unique<ReadInfo>());
}

napi_value timeouts(const Call& call, IpvsSocket& socket) {
  struct ReadTimeouts : IpvsExchange {
    ipvs::Timeouts read{};
    Outcome run(ipvs::Client& client) override { return client.timeouts(read); }
    napi_value value(napi_env env) override {
      return ObjectBuilder(env)
          .set("tcp", toValue(env, static_cast<double>(read.tcp)))
          .set("tcpFin", toValue(env, static_cast<double>(read.tcpFin)))
          .set("udp", toValue(env, static_cast<double>(read.udp)))
          .value();
    }
  };
  return socket.channel->submit(call.env(), std::make_unique<ReadTimeouts>());
}

napi_value setTimeouts(const Call& call, IpvsSocket& socket) {
  struct SetTimeouts : IpvsExchange {
    ipvs::Timeouts wanted{};
    Outcome run(ipvs::Client& client) override { return client.setTimeouts(wanted); }
    napi_value value(napi_env env) override { return undefined(env); }
  };
  auto exchange = std::make_unique<SetTimeouts>();
  if (!call.object(0, "timeouts")) return nullptr;
  const auto seconds = [&](const char* property, uint32_t& target) {
    constexpr uint32_t most = std::numeric_limits<int32_t>::max();
    std::optional<uint32_t> given;
    if (!call.number(call.argument(0), "timeouts", property, 0, most, given)) return false;
    if (!given) throwTypeError(call.env(), std::string("timeouts.") + property + " must be a number");
    target = given.value_or(0);
    return given.has_value();
  };
  ipvs::Timeouts& wanted = exchange->wanted;
  if (!seconds("tcp", wanted.tcp) || !seconds("tcpFin", wanted.tcpFin) || !seconds("udp", wanted.udp)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value close(const Call& call, IpvsSocket& socket) {
  socket.channel->close(call.env());
  return undefined(call.env());
}

}  // namespace

napi_value defineIpvsSocket(napi_env env) {
  const napi_property_descriptor methods[] = {
      method<IpvsSocket, apply>("apply"),
      method<IpvsSocket, services>("services"),
      method<IpvsSocket, traffic>("traffic"),
      method<IpvsSocket, service>("service"),
      method<IpvsSocket, destinations>("destinations"),
      method<IpvsSocket, info>("info"),
      method<IpvsSocket, timeouts>("timeouts"),
      method<IpvsSocket, setTimeouts>("setTimeouts"),
      method<IpvsSocket, close>("close"),
  };
  napi_value constructor = nullptr;
  napi_define_class(env, IpvsSocket::className, NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                    &constructor);
  return constructor;
}

}  // namespace binding
