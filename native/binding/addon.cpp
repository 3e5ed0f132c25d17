#include <node_api.h>
#include <sys/random.h>

#include <memory>

#include "../families/conntrack_record.h"
#include "../families/ipvs_record.h"
#include "../families/nftables_record.h"
#include "../families/route_record.h"
#include "address_monitor.h"
#include "call.h"
#include "conntrack_socket.h"
#include "filter_name_functions.h"
#include "ipvs_socket.h"
#include "nftables_socket.h"
#include "privilege_functions.h"
#include "process_functions.h"
#include "route_socket.h"
#include "setting_functions.h"
#include "value.h"

// Runs once for the main thread and once for each worker that loads the addon.
NAPI_MODULE_INIT() {
  auto addon = std::make_unique<binding::Addon>();
  for (napi_type_tag& tag : addon->tags) getrandom(&tag, sizeof tag, 0);
  const auto release = [](napi_env, void* data, void*) { delete static_cast<binding::Addon*>(data); };
  if (napi_set_instance_data(env, addon.get(), release, nullptr) != napi_ok) return nullptr;
  addon.release();

  const auto set = [&](const char* name, napi_value value) {
    if (value != nullptr) napi_set_named_property(env, exports, name, value);
  };
  set("IpvsSocket", binding::defineIpvsSocket(env));
  set("RouteSocket", binding::defineRouteSocket(env));
  set("NftablesSocket", binding::defineNftablesSocket(env));
  set("ConntrackSocket", binding::defineConntrackSocket(env));
  set("AddressMonitor", binding::defineAddressMonitor(env));
  set("ipvsRecordSize", binding::toValue(env, double{sizeof(ipvs::Op)}));
  set("ipvsEntrySize", binding::toValue(env, double{sizeof(ipvs::Entry)}));
  set("ipvsTrafficSize", binding::toValue(env, double{sizeof(ipvs::Traffic)}));
  set("routeRecordSize", binding::toValue(env, double{sizeof(route::Record)}));
  set("nftablesObjectSize", binding::toValue(env, double{sizeof(nftables::Object)}));
  set("nftablesElementSize", binding::toValue(env, double{sizeof(nftables::Element)}));
  set("flowKeySize", binding::toValue(env, double{sizeof(conntrack::FlowKey)}));
  set("flowSize", binding::toValue(env, double{sizeof(conntrack::Flow)}));
  set("readSettings", binding::defineReadSettings(env));
  set("writeSetting", binding::defineWriteSetting(env));
  set("readNftablesNames", binding::defineReadNftablesNames(env));
  set("readLegacyNames", binding::defineReadLegacyNames(env));
  set("readSetNames", binding::defineReadSetNames(env));
  set("execute", binding::defineExecute(env));
  set("exit", binding::defineExit(env));
  return exports;
}
