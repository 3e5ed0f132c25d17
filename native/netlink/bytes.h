// Bytes as they lie in a received datagram: read by copying, because nothing in it is aligned for its type.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace netlink {

using Bytes = std::span<const uint8_t>;

/// The T at the start of `at`; the caller has checked that there are sizeof(T) bytes.
template <class T>
T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace netlink
