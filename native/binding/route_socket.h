#pragma once

#include <node_api.h>

namespace binding {

/// The class RouteSocket; see src/kernel/addon.ts for its methods.
napi_value defineRouteSocket(napi_env env);

}  // namespace binding
