#pragma once

#include <node_api.h>

namespace binding {

/// The functions readSettings and writeSetting; see src/kernel/addon.ts.
napi_value defineReadSettings(napi_env env);
napi_value defineWriteSetting(napi_env env);

}  // namespace binding
