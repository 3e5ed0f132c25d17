// JavaScript values from and to C++, over the C Node-API.
//
// Not over node-addon-api: where a call fails it throws a JavaScript error, and where that fails too – as it does
// while a worker is being terminated – it aborts the process. Here a failed call gives nullptr or false, with a
// JavaScript exception pending if one can be, and the caller returns.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "../families/violation.h"
#include "../netlink/batch.h"
#include "../netlink/bytes.h"
#include "../netlink/outcome.h"

namespace binding {

napi_value undefined(napi_env env);
napi_value toFunction(napi_env env, const char* name, napi_callback body);
napi_value toValue(napi_env env, double number);
napi_value toValue(napi_env env, bool flag);
napi_value toValue(napi_env env, std::string_view text);
/// Copies.
napi_value toUint8Array(napi_env env, netlink::Bytes bytes);
napi_value toUint32Array(napi_env env, std::span<const uint32_t> numbers);
napi_value toInt32Array(napi_env env, std::span<const int32_t> numbers);
/// { errnos, texts, nanoseconds }
napi_value toValue(napi_env env, const netlink::Answers& answers);

template <class Record>
napi_value toRecords(napi_env env, std::span<const Record> records) {
  return toUint8Array(env, {reinterpret_cast<const uint8_t*>(records.data()), records.size_bytes()});
}

/// An object built property by property; one that fails is simply missing, for then the whole call fails.
class ObjectBuilder {
 public:
  explicit ObjectBuilder(napi_env env) : env_(env) { napi_create_object(env, &object_); }
  ObjectBuilder& set(const char* name, napi_value value) {
    if (object_ != nullptr && value != nullptr) napi_set_named_property(env_, object_, name, value);
    return *this;
  }
  napi_value value() const { return object_; }

 private:
  napi_env env_;
  napi_value object_ = nullptr;
};

/// An array of what `convert` makes of each item; nullptr where one fails.
template <class Item, class Convert>
napi_value toArray(napi_env env, std::span<const Item> items, Convert&& convert) {
  napi_value array = nullptr;
  if (napi_create_array_with_length(env, items.size(), &array) != napi_ok) return nullptr;
  for (uint32_t i = 0; i < items.size(); ++i) {
    // A scope for each, or the handles of a long list pile up until the call returns.
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return nullptr;
    const napi_value item = convert(items[i]);
    const bool stored = item != nullptr && napi_set_element(env, array, i, item) == napi_ok;
    napi_close_handle_scope(env, scope);
    if (!stored) return nullptr;
  }
  return array;
}

/// An Error with `code`, `syscall`, `errno` and the kernel's words.
napi_value toError(napi_env env, const netlink::Outcome& outcome);
/// The Error with code ERR_CLOSED.
napi_value closedError(napi_env env);

void throwTypeError(napi_env env, const std::string& message);
void throwRangeError(napi_env env, const std::string& message);
/// `ops[17].family is 7; it must be 4 or 6`
void throwViolation(napi_env env, const char* parameter, size_t index, const Violation& violation);

}  // namespace binding
