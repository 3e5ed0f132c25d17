#include "setting_functions.h"

#include <climits>

#include "../families/setting.h"
#include "call.h"
#include "single_exchange.h"

namespace binding {

namespace {

using netlink::Outcome;

// proc_sys_call_handler (6.1) takes more, but nothing below net/ is longer than a page.
constexpr size_t longestValue = 4096;

bool isSetting(const Call& call, const std::string& parameter, const std::string& name) {
  if (setting::isName(name)) return true;
  throwRangeError(call.env(), parameter + " must be a path below /proc/sys that begins with net/");
  return false;
}

napi_value toReadings(napi_env env, std::span<const setting::Reading> readings) {
  return toArray(env, readings, [&](const setting::Reading& reading) {
    const bool isRead = reading.error == 0;
    return ObjectBuilder(env)
        .set("value", isRead ? toValue(env, std::string_view(reading.value)) : undefined(env))
        .set("writable", toValue(env, reading.writable))
        .set("errno", toValue(env, static_cast<double>(reading.error)))
        .value();
  });
}

napi_value readSettings(napi_env env, napi_callback_info info) {
  struct Read : SingleExchange {
    std::vector<std::string> names;
    std::string networkNamespace;
    std::vector<setting::Reading> readings;
    Outcome run(Nothing&) override { return setting::read(names, networkNamespace, readings); }
    napi_value value(napi_env env) override { return toReadings(env, readings); }
  };
  const Call call(env, info);
  auto exchange = std::make_unique<Read>();
  if (!call.texts(0, "names", PATH_MAX, exchange->names)) return nullptr;
  if (!call.networkNamespace(1, "netns", exchange->networkNamespace)) return nullptr;
  for (size_t i = 0; i < exchange->names.size(); ++i) {
    if (!isSetting(call, "names[" + std::to_string(i) + "]", exchange->names[i])) return nullptr;
  }
  return submit(env, std::move(exchange));
}

napi_value writeSetting(napi_env env, napi_callback_info info) {
  struct Write : SingleExchange {
    std::string name;
    std::string text;
    std::string networkNamespace;
    Outcome run(Nothing&) override { return setting::write(name, text, networkNamespace); }
    napi_value value(napi_env env) override { return undefined(env); }
  };
  const Call call(env, info);
  auto exchange = std::make_unique<Write>();
  if (!call.text(0, "name", PATH_MAX, exchange->name)) return nullptr;
  if (!call.text(1, "value", longestValue, exchange->text)) return nullptr;
  if (!call.networkNamespace(2, "netns", exchange->networkNamespace)) return nullptr;
  if (!isSetting(call, "name", exchange->name)) return nullptr;
  // A write of no bytes changes nothing, and the kernel calls it a success.
  if (exchange->text.empty() || exchange->text.find('\0') != std::string::npos) {
    throwRangeError(env, "value must be text, not empty and without NUL");
    return nullptr;
  }
  return submit(env, std::move(exchange));
}

}  // namespace

napi_value defineReadSettings(napi_env env) {
  return toFunction(env, "readSettings", readSettings);
}

napi_value defineWriteSetting(napi_env env) {
  return toFunction(env, "writeSetting", writeSetting);
}

}  // namespace binding
