#pragma once

#include <node_api.h>

#include <span>

#include "../families/route_record.h"

namespace binding {

/// { index, name, kind, up, loopback }[]
napi_value toLinks(napi_env env, std::span<const route::Link> links);
/// MonitorEvent[], see src/kernel/addon.ts
napi_value toEvents(napi_env env, std::span<const route::Event> events);

}  // namespace binding
