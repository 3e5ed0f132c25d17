#pragma once

#include <node_api.h>

namespace binding {

/// The functions readNftablesNames, readLegacyNames and readSetNames; see src/kernel/addon.ts.
napi_value defineReadNftablesNames(napi_env env);
napi_value defineReadLegacyNames(napi_env env);
napi_value defineReadSetNames(napi_env env);

}  // namespace binding
