// An exchange that needs nothing kept open: a channel of its own, which lives until the call has ended.
#pragma once

#include <memory>

#include "channel.h"

namespace binding {

struct Nothing {};
using SingleExchange = Exchange<Nothing>;

inline napi_value submit(napi_env env, std::unique_ptr<SingleExchange> exchange) {
  return std::make_shared<Channel<Nothing>>(Nothing{})->submit(env, std::move(exchange));
}

}  // namespace binding
