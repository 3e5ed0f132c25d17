#include "nftables_socket.h"

#include <linux/netlink.h>

#include "../families/address.h"
#include "../families/nftables_client.h"
#include "call.h"
#include "channel.h"

namespace binding {

namespace {

using netlink::Outcome;
using NftablesExchange = Exchange<nftables::Client>;

// As long as names in records are.
constexpr size_t longestTable = 31;
constexpr size_t longestSet = 23;

struct NftablesSocket {
  static constexpr const char* className = "NftablesSocket";
  static constexpr Addon::Class tag = Addon::nftablesSocket;
  std::shared_ptr<Channel<nftables::Client>> channel;
};

napi_value toTransactionAnswers(napi_env env, const netlink::Answers& answers) {
  const napi_value value = toValue(env, answers);
  if (value == nullptr) return nullptr;
  napi_set_named_property(env, value, "newGeneration", toValue(env, answers.newGeneration));
  return value;
}

napi_value construct(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  netlink::SocketOptions options;
  std::string table;
  if (!call.constructs(info, NftablesSocket::className) || !call.object(0, "options") ||
      !call.socketOptions(0, options) || !call.string(call.argument(0), "options", "table", longestTable, table)) {
    return nullptr;
  }
  netlink::Socket socket;
  const Outcome opened = socket.open(NETLINK_NETFILTER, options);
  if (!opened.ok()) {
    napi_throw(env, toError(env, opened));
    return nullptr;
  }
  auto channel = std::make_shared<Channel<nftables::Client>>(nftables::Client(std::move(socket), std::move(table)));
  return wrap(call, std::unique_ptr<NftablesSocket>(new NftablesSocket{std::move(channel)}));
}

napi_value apply(const Call& call, NftablesSocket& socket) {
  struct Apply : NftablesExchange {
    std::vector<nftables::Object> records;
    netlink::Answers answers;
    Outcome run(nftables::Client& client) override { return client.apply(records, answers); }
    napi_value value(napi_env env) override { return toTransactionAnswers(env, answers); }
  };
  auto exchange = std::make_unique<Apply>();
  const std::vector<nftables::Object>& records = exchange->records;
  if (!call.records(0, "objects", exchange->records)) return nullptr;
  const auto violationOf = [&](const nftables::Object& object) {
    return nftables::violationOf(records, static_cast<size_t>(&object - records.data()));
  };
  if (!call.accepts("objects", records, violationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value applyElements(const Call& call, NftablesSocket& socket) {
  struct ApplyElements : NftablesExchange {
    std::vector<nftables::Element> records;
    netlink::Answers answers;
    Outcome run(nftables::Client& client) override { return client.applyElements(records, answers); }
    napi_value value(napi_env env) override { return toTransactionAnswers(env, answers); }
  };
  auto exchange = std::make_unique<ApplyElements>();
  if (!call.records(0, "elements", exchange->records)) return nullptr;
  const auto violationOf = [](const nftables::Element& element) { return nftables::violationOf(element); };
  if (!call.accepts("elements", exchange->records, violationOf)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

bool familyOf(const Call& call, uint8_t& family) {
  uint32_t number = 0;
  if (!call.number(0, "family", address::v6, number)) return false;
  family = static_cast<uint8_t>(number);
  if (address::isFamily(family)) return true;
  throwRangeError(call.env(), "family must be 4 or 6");
  return false;
}

napi_value objects(const Call& call, NftablesSocket& socket) {
  struct Objects : NftablesExchange {
    uint8_t family = 0;
    std::vector<nftables::Object> found;
    Outcome run(nftables::Client& client) override { return client.objects(family, found); }
    napi_value value(napi_env env) override { return toRecords<nftables::Object>(env, found); }
  };
  auto exchange = std::make_unique<Objects>();
  if (!familyOf(call, exchange->family)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value elements(const Call& call, NftablesSocket& socket) {
  struct Elements : NftablesExchange {
    uint8_t family = 0;
    std::string set;
    std::vector<nftables::Element> found;
    Outcome run(nftables::Client& client) override { return client.elements(family, set, found); }
    napi_value value(napi_env env) override { return toRecords<nftables::Element>(env, found); }
  };
  auto exchange = std::make_unique<Elements>();
  if (!familyOf(call, exchange->family) || !call.string(1, "set", longestSet, exchange->set)) return nullptr;
  return socket.channel->submit(call.env(), std::move(exchange));
}

napi_value generation(const Call& call, NftablesSocket& socket) {
  struct Generation : NftablesExchange {
    uint32_t read = 0;
    Outcome run(nftables::Client& client) override { return client.generation(read); }
    napi_value value(napi_env env) override { return toValue(env, static_cast<double>(read)); }
  };
  return socket.channel->submit(call.env(), std::make_unique<Generation>());
}

napi_value close(const Call& call, NftablesSocket& socket) {
  socket.channel->close(call.env());
  return undefined(call.env());
}

}  // namespace

napi_value defineNftablesSocket(napi_env env) {
  const napi_property_descriptor methods[] = {
      method<NftablesSocket, apply>("apply"),           method<NftablesSocket, applyElements>("applyElements"),
      method<NftablesSocket, objects>("objects"),       method<NftablesSocket, elements>("elements"),
      method<NftablesSocket, generation>("generation"), method<NftablesSocket, close>("close"),
  };
  napi_value constructor = nullptr;
  napi_define_class(env, NftablesSocket::className, NAPI_AUTO_LENGTH, construct, nullptr, std::size(methods), methods,
                    &constructor);
  return constructor;
}

}  // namespace binding
