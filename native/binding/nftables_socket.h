#pragma once

#include <node_api.h>

namespace binding {

/// The class NftablesSocket; see src/kernel/addon.ts for its methods.
napi_value defineNftablesSocket(napi_env env);

}  // namespace binding
