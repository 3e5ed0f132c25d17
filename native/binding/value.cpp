#include "value.h"

#include <cstring>

#include "errno_name.h"

namespace binding {

namespace {

napi_value toTypedArray(napi_env env, napi_typedarray_type type, const void* values, size_t count, size_t width) {
  void* target = nullptr;
  napi_value buffer = nullptr;
  napi_value array = nullptr;
  if (napi_create_arraybuffer(env, count * width, &target, &buffer) != napi_ok) return nullptr;
  if (count != 0) std::memcpy(target, values, count * width);
  napi_create_typedarray(env, type, count, buffer, 0, &array);
  return array;
}

napi_value toTexts(napi_env env, std::span<const netlink::KernelText> texts) {
  return toArray(env, texts, [&](const netlink::KernelText& text) {
    return ObjectBuilder(env)
        .set("index", toValue(env, static_cast<double>(text.index)))
        .set("text", toValue(env, std::string_view(text.text)))
        .value();
  });
}

napi_value toError(napi_env env, const char* code, const std::string& message) {
  napi_value error = nullptr;
  napi_create_error(env, toValue(env, std::string_view(code)), toValue(env, std::string_view(message)), &error);
  return error;
}

// strerror_r is two functions: glibc's returns the text, POSIX's (musl) fills the buffer.
[[maybe_unused]] const char* textOf(const char* returned, const char*) {
  return returned;
}
[[maybe_unused]] const char* textOf(int, const char* buffer) {
  return buffer;
}

std::string describe(int error) {
  char buffer[128] = "";
  return textOf(strerror_r(error, buffer, sizeof buffer), buffer);
}

}  // namespace

napi_value undefined(napi_env env) {
  napi_value value = nullptr;
  napi_get_undefined(env, &value);
  return value;
}

napi_value toFunction(napi_env env, const char* name, napi_callback body) {
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, body, nullptr, &function);
  return function;
}

napi_value toValue(napi_env env, double number) {
  napi_value value = nullptr;
  napi_create_double(env, number, &value);
  return value;
}

napi_value toValue(napi_env env, bool flag) {
  napi_value value = nullptr;
  napi_get_boolean(env, flag, &value);
  return value;
}

napi_value toValue(napi_env env, std::string_view text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &value);
  return value;
}

napi_value toUint8Array(napi_env env, netlink::Bytes bytes) {
  return toTypedArray(env, napi_uint8_array, bytes.data(), bytes.size(), sizeof(uint8_t));
}

napi_value toUint32Array(napi_env env, std::span<const uint32_t> numbers) {
  return toTypedArray(env, napi_uint32_array, numbers.data(), numbers.size(), sizeof(uint32_t));
}

napi_value toInt32Array(napi_env env, std::span<const int32_t> numbers) {
  return toTypedArray(env, napi_int32_array, numbers.data(), numbers.size(), sizeof(int32_t));
}

napi_value toValue(napi_env env, const netlink::Answers& answers) {
  return ObjectBuilder(env)
      .set("errnos", toInt32Array(env, answers.errnos))
      .set("texts", toTexts(env, answers.texts))
      .set("nanoseconds", toValue(env, static_cast<double>(answers.nanoseconds)))
      .value();
}

napi_value toError(napi_env env, const netlink::Outcome& outcome) {
  const char* code = outcome.code != nullptr ? outcome.code : errnoName(outcome.error);
  std::string message = std::string(outcome.call) + ": " + code + ": " + describe(outcome.error);
  if (!outcome.text.empty()) message += " (" + outcome.text + ")";
  napi_value error = toError(env, code, message);
  if (error == nullptr) return nullptr;
  napi_set_named_property(env, error, "syscall", toValue(env, std::string_view(outcome.call)));
  napi_set_named_property(env, error, "errno", toValue(env, static_cast<double>(-outcome.error)));
  return error;
}

napi_value closedError(napi_env env) {
  return toError(env, "ERR_CLOSED", "the socket is closed");
}

void throwTypeError(napi_env env, const std::string& message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message.c_str());
}

void throwRangeError(napi_env env, const std::string& message) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message.c_str());
}

void throwViolation(napi_env env, const char* parameter, size_t index, const Violation& violation) {
  const std::string value = violation.value ? std::to_string(*violation.value) : "empty or not terminated";
  throwRangeError(env, std::string(parameter) + "[" + std::to_string(index) + "]." + violation.field + " is " + value +
                           "; it " + violation.rule);
}

}  // namespace binding
