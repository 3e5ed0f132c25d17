#pragma once

#include <node_api.h>

namespace binding {

/// The class ConntrackSocket; see src/kernel/addon.ts for its methods.
napi_value defineConntrackSocket(napi_env env);

}  // namespace binding
