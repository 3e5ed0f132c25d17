#include "call.h"

#include <climits>
#include <cmath>

namespace binding {

namespace {

// 4 Mi operations are 320 MB of records: beyond any table, below any size that fails to allocate.
constexpr size_t mostRecords = 4 * 1024 * 1024;
// Lists of names are short; a length someone has set on an empty array is not.
constexpr uint32_t mostTexts = 4096;

napi_valuetype typeOf(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  if (value != nullptr) napi_typeof(env, value, &type);
  return type;
}

}  // namespace

Call::Call(napi_env env, napi_callback_info info) : env_(env) {
  size_t count = arguments_.size();
  napi_get_cb_info(env, info, &count, arguments_.data(), &self_, nullptr);
  void* addon = nullptr;
  napi_get_instance_data(env, &addon);
  addon_ = static_cast<Addon*>(addon);
}

bool Call::constructs(napi_callback_info info, const char* className) const {
  napi_value target = nullptr;
  napi_get_new_target(env_, info, &target);
  if (target != nullptr) return true;
  throwTypeError(env_, std::string(className) + " is a class: call it with new");
  return false;
}

void* Call::receiver(Addon::Class tag, const char* className) const {
  bool ours = false;
  void* wrapped = nullptr;
  const bool isObject = typeOf(env_, self_) == napi_object;
  if (isObject && addon_ != nullptr) napi_check_object_type_tag(env_, self_, &addon_->tags[tag], &ours);
  if (ours && napi_unwrap(env_, self_, &wrapped) == napi_ok && wrapped != nullptr) return wrapped;
  throwTypeError(env_, std::string("this is not an ") + className);
  return nullptr;
}

bool Call::isUndefined(size_t index) const {
  return typeOf(env_, arguments_[index]) == napi_undefined;
}

bool Call::object(size_t index, const char* name) const {
  if (typeOf(env_, arguments_[index]) == napi_object) return true;
  throwTypeError(env_, std::string(name) + " must be an object");
  return false;
}

bool Call::function(size_t index, const char* name) const {
  if (typeOf(env_, arguments_[index]) == napi_function) return true;
  throwTypeError(env_, std::string(name) + " must be a function");
  return false;
}

bool Call::toNumber(napi_value value, const std::string& name, uint32_t least, uint32_t most, uint32_t& number) const {
  double given = 0;
  if (typeOf(env_, value) != napi_number) {
    throwTypeError(env_, name + " must be a number");
    return false;
  }
  napi_get_value_double(env_, value, &given);
  if (!(given >= least && given <= most) || std::trunc(given) != given) {
    throwRangeError(env_, name + " must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    return false;
  }
  number = static_cast<uint32_t>(given);
  return true;
}

bool Call::number(size_t index, const char* name, uint32_t most, uint32_t& number) const {
  return toNumber(arguments_[index], name, 0, most, number);
}

bool Call::number(napi_value object, const char* name, const char* property, uint32_t least, uint32_t most,
                  std::optional<uint32_t>& number) const {
  napi_value value = nullptr;
  number = std::nullopt;
  if (napi_get_named_property(env_, object, property, &value) != napi_ok) return false;  // a getter threw
  if (typeOf(env_, value) == napi_undefined) return true;
  uint32_t given = 0;
  if (!toNumber(value, std::string(name) + "." + property, least, most, given)) return false;
  number = given;
  return true;
}

bool Call::toText(napi_value value, const std::string& name, size_t most, std::string& text) const {
  size_t length = 0;
  if (typeOf(env_, value) != napi_string) {
    throwTypeError(env_, name + " must be a string");
    return false;
  }
  napi_get_value_string_utf8(env_, value, nullptr, 0, &length);
  if (length > most) {
    throwRangeError(env_, name + " must be at most " + std::to_string(most) + " bytes long");
    return false;
  }
  text.resize(length);
  // One byte more than asked for is the string's own terminating NUL.
  napi_get_value_string_utf8(env_, value, text.data(), length + 1, &length);
  return true;
}

bool Call::toString(napi_value value, const std::string& name, size_t most, std::string& text) const {
  if (!toText(value, name, most, text)) return false;
  if (!text.empty() && text.find('\0') == std::string::npos) return true;
  throwRangeError(env_, name + " must be 1 to " + std::to_string(most) + " bytes, none of them NUL");
  return false;
}

bool Call::string(size_t index, const char* name, size_t most, std::string& text) const {
  return toString(arguments_[index], name, most, text);
}

bool Call::string(napi_value object, const char* name, const char* property, size_t most, std::string& text) const {
  napi_value value = nullptr;
  if (napi_get_named_property(env_, object, property, &value) != napi_ok) return false;  // a getter threw
  return toString(value, std::string(name) + "." + property, most, text);
}

bool Call::text(size_t index, const char* name, size_t most, std::string& text) const {
  return toText(arguments_[index], name, most, text);
}

bool Call::texts(size_t index, const char* name, size_t most, std::vector<std::string>& texts) const {
  bool isArray = false;
  uint32_t length = 0;
  const napi_value value = arguments_[index];
  if (value != nullptr) napi_is_array(env_, value, &isArray);
  if (!isArray || napi_get_array_length(env_, value, &length) != napi_ok) {
    throwTypeError(env_, std::string(name) + " must be an array");
    return false;
  }
  if (length > mostTexts) {
    throwRangeError(env_, std::string(name) + " must hold at most " + std::to_string(mostTexts) + " strings");
    return false;
  }
  texts.resize(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value item = nullptr;
    if (napi_get_element(env_, value, i, &item) != napi_ok) return false;  // a getter threw
    if (!toText(item, std::string(name) + "[" + std::to_string(i) + "]", most, texts[i])) return false;
  }
  return true;
}

bool Call::networkNamespace(size_t index, const char* name, std::string& networkNamespace) const {
  return toNetworkNamespace(arguments_[index], name, networkNamespace);
}

bool Call::toNetworkNamespace(napi_value value, const std::string& name, std::string& networkNamespace) const {
  if (typeOf(env_, value) == napi_undefined) return true;
  size_t length = 0;
  char path[PATH_MAX] = "";
  if (typeOf(env_, value) != napi_string) {
    throwTypeError(env_, name + " must be a string");
    return false;
  }
  napi_get_value_string_utf8(env_, value, nullptr, 0, &length);
  const bool fits = length > 0 && length < sizeof path - sizeof "/run/netns/";
  if (fits) napi_get_value_string_utf8(env_, value, path, sizeof path, &length);
  networkNamespace.assign(path, length < sizeof path ? length : 0);
  const std::string& given = networkNamespace;
  const bool relative = given.find('/') != std::string::npos && given.front() != '/';
  if (fits && given.find('\0') == std::string::npos && !relative && given != "." && given != "..") return true;
  throwRangeError(env_, name + " must be a name under /run/netns or an absolute path");
  return false;
}

bool Call::socketOptions(size_t index, netlink::SocketOptions& options) const {
  if (isUndefined(index)) return true;
  if (!object(index, "options")) return false;
  const napi_value given = arguments_[index];
  napi_value networkNamespace = nullptr;
  std::optional<uint32_t> descriptor;
  std::optional<uint32_t> timeout;
  if (napi_get_named_property(env_, given, "netns", &networkNamespace) != napi_ok) return false;
  if (!toNetworkNamespace(networkNamespace, "options.netns", options.networkNamespace) ||
      !number(given, "options", "fd", 0, INT_MAX, descriptor) ||
      !number(given, "options", "timeoutMs", 1, INT_MAX, timeout)) {
    return false;
  }
  if (descriptor && !options.networkNamespace.empty()) {
    throwTypeError(env_, "options.fd and options.netns exclude each other");
    return false;
  }
  if (descriptor) options.descriptor = static_cast<int>(*descriptor);
  if (timeout) options.timeoutMilliseconds = static_cast<int>(*timeout);
  return true;
}

bool Call::recordBytes(size_t index, const char* name, size_t recordSize, netlink::Bytes& bytes) const {
  bool isTypedArray = false;
  bool detached = false;
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* start = nullptr;
  napi_value buffer = nullptr;
  const napi_value value = arguments_[index];
  if (value != nullptr) napi_is_typedarray(env_, value, &isTypedArray);
  if (isTypedArray) napi_get_typedarray_info(env_, value, &type, &length, &start, &buffer, nullptr);
  if (!isTypedArray || type != napi_uint8_array) {
    throwTypeError(env_, std::string(name) + " must be a Uint8Array");
    return false;
  }
  napi_is_detached_arraybuffer(env_, buffer, &detached);
  if (detached) {
    throwTypeError(env_, std::string(name) + " must not be detached");
    return false;
  }
  if (length % recordSize != 0) {
    throwTypeError(env_, std::string(name) + " must hold whole records of " + std::to_string(recordSize) +
                             " bytes; it has " + std::to_string(length) + " bytes");
    return false;
  }
  if (length / recordSize > mostRecords) {
    throwRangeError(env_, std::string(name) + " must hold at most " + std::to_string(mostRecords) + " records");
    return false;
  }
  bytes = {static_cast<const uint8_t*>(start), length};
  return true;
}

}  // namespace binding
