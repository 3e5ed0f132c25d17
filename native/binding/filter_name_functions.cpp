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

napi_value toItem(napi_env env, const filter::Name& name) {
  return ObjectBuilder(env)
      .set("family", toValue(env, familyText(name.family)))
      .set("table", toValue(env, std::string_view(name.table)))
      .set("chain", toValue(env, std::string_view(name.chain)))
      .set("hasRules", toValue(env, name.hasRules))
      .value();
}

napi_value toItem(napi_env env, const std::string& text) {
  return toValue(env, std::string_view(text));
}

template <typename T>
napi_value toItems(napi_env env, std::span<const T> items) {
  return toArray(env, items, [&](const T& item) { return toItem(env, item); });
}

// Names that netfilter tells over one socket, by a function that takes the socket.
template <typename T, Outcome (*ask)(netlink::Socket&, std::vector<T>&)>
napi_value readFromNetfilter(napi_env env, napi_callback_info info) {
  struct Read : SingleExchange {
    netlink::SocketOptions options;
    std::vector<T> names;
    Outcome run(Nothing&) override {
      netlink::Socket socket;
      const Outcome opened = socket.open(NETLINK_NETFILTER, options);
      return opened.ok() ? ask(socket, names) : opened;
    }
    napi_value value(napi_env env) override { return toItems<T>(env, names); }
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
    napi_value value(napi_env env) override { return toItems<filter::Name>(env, names); }
  };
  const Call call(env, info);
  auto exchange = std::make_unique<Read>();
  if (!call.networkNamespace(0, "netns", exchange->networkNamespace)) return nullptr;
  return submit(env, std::move(exchange));
}

}  // namespace

napi_value defineReadNftablesNames(napi_env env) {
  return toFunction(env, "readNftablesNames", readFromNetfilter<filter::Name, filter::nftablesNames>);
}

napi_value defineReadLegacyNames(napi_env env) {
  return toFunction(env, "readLegacyNames", readLegacyNames);
}

napi_value defineReadSetNames(napi_env env) {
  return toFunction(env, "readSetNames", readFromNetfilter<std::string, filter::setNames>);
}

}  // namespace binding
