#pragma once

#include <node_api.h>

namespace binding {

/// The function exit; see src/kernel/addon.ts.
napi_value defineExit(napi_env env);

}  // namespace binding
