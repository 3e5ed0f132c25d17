// The arguments of one call from JavaScript, checked. A check that fails leaves a TypeError or RangeError that
// names the parameter pending and gives false (or nullptr); the method then returns nullptr.
#pragma once

#include <node_api.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../netlink/socket.h"
#include "value.h"

namespace binding {

/// What the addon keeps per environment (main thread or worker); there is no other state.
struct Addon {
  enum Class { ipvsSocket, routeSocket, nftablesSocket, conntrackSocket, addressMonitor, classes };
  /// Random per load: objects of another copy of this addon in the process must not pass for ours.
  std::array<napi_type_tag, classes> tags;
};

class Call {
 public:
  Call(napi_env env, napi_callback_info info);

  napi_env env() const { return env_; }
  const Addon& addon() const { return *addon_; }
  napi_value self() const { return self_; }
  /// Throws unless called with `new`.
  bool constructs(napi_callback_info info, const char* className) const;
  /// The object that `self` wraps if it has the class's tag, else throws.
  void* receiver(Addon::Class tag, const char* className) const;

  napi_value argument(size_t index) const { return arguments_[index]; }
  bool isUndefined(size_t index) const;
  /// { netns?, fd?, timeoutMs? } or undefined
  bool socketOptions(size_t index, netlink::SocketOptions& options) const;
  /// A network namespace as `options.netns` names it, or undefined.
  bool networkNamespace(size_t index, const char* name, std::string& networkNamespace) const;
  /// A string of at most `most` bytes of UTF-8.
  bool text(size_t index, const char* name, size_t most, std::string& text) const;
  /// An array of them.
  bool texts(size_t index, const char* name, size_t most, std::vector<std::string>& texts) const;
  bool function(size_t index, const char* name) const;
  bool number(size_t index, const char* name, uint32_t most, uint32_t& number) const;
  /// A property of the object `name`.
  bool number(napi_value object, const char* name, const char* property, uint32_t least, uint32_t most,
              std::optional<uint32_t>& number) const;
  bool object(size_t index, const char* name) const;
  /// A string of 1 to `most` bytes, without NUL.
  bool string(size_t index, const char* name, size_t most, std::string& text) const;
  bool string(napi_value object, const char* name, const char* property, size_t most, std::string& text) const;

  /// A Uint8Array of whole records, copied: the caller may change it as soon as this returns.
  template <class Record>
  bool records(size_t index, const char* name, std::vector<Record>& records) const {
    netlink::Bytes bytes;
    if (!recordBytes(index, name, sizeof(Record), bytes)) return false;
    records.resize(bytes.size() / sizeof(Record));
    if (!bytes.empty()) std::memcpy(static_cast<void*>(records.data()), bytes.data(), bytes.size());
    return true;
  }

  /// Throws for the first record that `violationOf` objects to.
  template <class Record, class Check>
  bool accepts(const char* name, const std::vector<Record>& records, Check&& violationOf) const {
    for (size_t i = 0; i < records.size(); ++i) {
      if (auto violation = violationOf(records[i])) {
        throwViolation(env_, name, i, *violation);
        return false;
      }
    }
    return true;
  }

 private:
  bool recordBytes(size_t index, const char* name, size_t recordSize, netlink::Bytes& bytes) const;
  bool toNumber(napi_value value, const std::string& name, uint32_t least, uint32_t most, uint32_t& number) const;
  bool toString(napi_value value, const std::string& name, size_t most, std::string& text) const;
  bool toText(napi_value value, const std::string& name, size_t most, std::string& text) const;
  bool toNetworkNamespace(napi_value value, const std::string& name, std::string& networkNamespace) const;

  napi_env env_;
  Addon* addon_ = nullptr;
  napi_value self_ = nullptr;
  std::array<napi_value, 3> arguments_{};
};

/// Defines a method whose receiver is checked: `body(call, *receiver)`.
template <class Receiver, napi_value (*body)(const Call&, Receiver&)>
napi_property_descriptor method(const char* name) {
  napi_property_descriptor descriptor{};
  descriptor.utf8name = name;
  descriptor.attributes = napi_default_method;
  descriptor.method = [](napi_env env, napi_callback_info info) -> napi_value {
    const Call call(env, info);
    void* receiver = call.receiver(Receiver::tag, Receiver::className);
    return receiver == nullptr ? nullptr : body(call, *static_cast<Receiver*>(receiver));
  };
  return descriptor;
}

/// Ties a new receiver to `self` and tags it. The receiver is deleted when `self` is collected.
template <class Receiver>
napi_value wrap(const Call& call, std::unique_ptr<Receiver> receiver) {
  const auto release = [](napi_env, void* wrapped, void*) { delete static_cast<Receiver*>(wrapped); };
  if (napi_wrap(call.env(), call.self(), receiver.get(), release, nullptr, nullptr) != napi_ok) {
    throwTypeError(call.env(), std::string(Receiver::className) + " cannot be constructed twice");
    return nullptr;
  }
  receiver.release();
  napi_type_tag_object(call.env(), call.self(), &call.addon().tags[Receiver::tag]);
  return call.self();
}

}  // namespace binding
