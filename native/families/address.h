// Addresses as records hold them: 16 bytes, an IPv4 address in the first four and zeros behind.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace address {

inline constexpr uint8_t v4 = 4;
inline constexpr uint8_t v6 = 6;

inline bool isFamily(uint8_t family) {
  return family == v4 || family == v6;
}
inline uint8_t toAf(uint8_t family) {
  return family == v6 ? AF_INET6 : AF_INET;
}
/// 0 for what is neither.
inline uint8_t fromAf(uint32_t af) {
  return af == AF_INET ? v4 : af == AF_INET6 ? v6 : uint8_t{0};
}
inline uint8_t sizeOf(uint8_t family) {
  return family == v6 ? 16 : 4;
}
inline bool isZero(const uint8_t (&bytes)[16]) {
  return std::all_of(std::begin(bytes), std::end(bytes), [](uint8_t byte) { return byte == 0; });
}

}  // namespace address
