#pragma once

#include <node_api.h>

namespace binding {

/// The class IpvsSocket; see src/kernel/addon.ts for its methods.
napi_value defineIpvsSocket(napi_env env);

}  // namespace binding
