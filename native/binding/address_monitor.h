#pragma once

#include <node_api.h>

namespace binding {

/// The class AddressMonitor; see src/kernel/addon.ts for its methods.
napi_value defineAddressMonitor(napi_env env);

}  // namespace binding
