#include "filter_name_functions.h"

#include <linux/netfilter.h>
#include <linux/netlink.h>

#include "../families/filter_names.h"
#include "../families/legacy_tables.h"
#include "call.h"
#include "single_exchange.h"

namespace binding {

namespace {

using netlink::Outcome;

// As nft(8) writes them.
std::string_view familyText(uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_ARP:
      return "arp";
    case NFPROTO_NETDEV:
      return "netdev";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_IPV6:
      return "ip6";
    default:
      return "unknown";
  }
}

napi_value toNames(napi_env env, std::span<const filter::Name> names) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, names.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < names.size(); ++i) {
    const filter::Name& name = names[i];
    const napi_value item = ObjectBuilder(env)
                                .set("family", toValue(env, familyText(name.family)))
                                .set("table", toValue(env, std::string_view(name.table)))
                                .set("chain", toValue(env, std::string_view(name.chain)))
                                .value();
    if (item == nullptr || napi_set_element(env, array, i, item) != napi_ok) return nullptr;
  }
  return array;
}

napi_value toTexts(napi_env env, std::span<const std::string> texts) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, texts.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < texts.size(); ++i) {
    const napi_value item = toValue(env, std::string_view(texts[i]));
    if (item == nullptr || napi_set_element(env, array, i, item) != napi_ok) return nullptr;
  }
  return array;
}

napi_value readNftablesNames(napi_env env, napi_callback_info info) {
  struct Read : SingleExchange {
    netlink::SocketOptions options;
    std::vector<filter::Name> names;
    Outcome run(Nothing&) override {
      netlink::Socket socket;
      const Outcome opened = socket.open(NETLINK_NETFILTER, options);
      return opened.ok() ? filter::nftablesNames(socket, names) : opened;
    }
    napi_value value(napi_env env) override { return toNames(env, names); }
  };
  const Call call(env, info);
  auto exchange = std::make_unique<Read>();
  if (!call.networkNamespace(0, "netns", exchange->options.networkNamespace)) return nullptr;
  return submit(env, std::move(exchange));
}

napi_value readLegacyNames(napi_env env, napi_callback_info info) {
  struct Read : SingleExchange {
    std::string networkNamespace;
    std::vector<filter::Name> names;
    Outcome run(Nothing&) override { return legacy::readNames(networkNamespace, names); }
    napi_value value(napi_env env) override { return toNames(env, names); }
  };
  const Call call(env, info);
  auto exchange = std::make_unique<Read>();
  if (!call.networkNamespace(0, "netns", exchange->networkNamespace)) return nullptr;
  return submit(env, std::move(exchange));
}

napi_value readSetNames(napi_env env, napi_callback_info info) {
  struct Read : SingleExchange {
    netlink::SocketOptions options;
    std::vector<std::string> names;
    Outcome run(Nothing&) override {
      netlink::Socket socket;
      const Outcome opened = socket.open(NETLINK_NETFILTER, options);
      return opened.ok() ? filter::setNames(socket, names) : opened;
    }
    napi_value value(napi_env env) override { return toTexts(env, names); }
  };
  const Call call(env, info);
  auto exchange = std::make_unique<Read>();
  if (!call.networkNamespace(0, "netns", exchange->options.networkNamespace)) return nullptr;
  return submit(env, std::move(exchange));
}

}  // namespace

napi_value defineReadNftablesNames(napi_env env) {
  return toFunction(env, "readNftablesNames", readNftablesNames);
}

napi_value defineReadLegacyNames(napi_env env) {
  return toFunction(env, "readLegacyNames", readLegacyNames);
}

napi_value defineReadSetNames(napi_env env) {
  return toFunction(env, "readSetNames", readSetNames);
}

}  // namespace binding
