#pragma once

#include <node_api.h>

namespace binding {

/// The function execute; see src/kernel/addon.ts.
napi_value defineExecute(napi_env env);

}  // namespace binding
