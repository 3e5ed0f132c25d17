#include "process_functions.h"

#include <unistd.h>

#include "call.h"

namespace binding {

namespace {

napi_value exit(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  uint32_t status = 0;
  if (!call.number(0, "status", 255, status)) return nullptr;
  _exit(static_cast<int>(status));
}

}  // namespace

napi_value defineExit(napi_env env) {
  return toFunction(env, "exit", exit);
}

}  // namespace binding
