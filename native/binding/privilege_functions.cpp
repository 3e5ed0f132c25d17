#include "privilege_functions.h"

#include <climits>

#include "../families/privileges.h"
#include "call.h"

namespace binding {

namespace {

// MAX_ARG_STRLEN, linux/binfmts.h: 32 pages.
constexpr size_t longestArgument = 32 * 4096;

napi_value execute(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  std::string program;
  std::vector<std::string> arguments;
  uint32_t capabilities = 0;
  if (!call.string(0, "program", PATH_MAX, program)) return nullptr;
  if (!call.texts(1, "arguments", longestArgument, arguments)) return nullptr;
  if (!call.number(2, "capabilities", UINT32_MAX, capabilities)) return nullptr;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].find('\0') == std::string::npos) continue;
    throwRangeError(env, "arguments[" + std::to_string(i) + "] must have no NUL");
    return nullptr;
  }
  napi_throw(env, toError(env, privileges::execute(program, arguments, capabilities)));
  return nullptr;
}

}  // namespace

napi_value defineExecute(napi_env env) {
  return toFunction(env, "execute", execute);
}

}  // namespace binding
