#include "attribute.h"

#include <endian.h>
#include <linux/netlink.h>

#include <algorithm>

namespace netlink {

bool AttributeReader::next() {
  // Fewer bytes than a header are padding, not an attribute (as in libmnl and the kernel's nla_ok).
  if (rest_.size() < NLA_HDRLEN) return false;
  const nlattr header = load<nlattr>(rest_.data());
  if (header.nla_len < NLA_HDRLEN || header.nla_len > rest_.size()) {
    wellFormed_ = false;
    rest_ = {};
    return false;
  }
  type_ = header.nla_type & NLA_TYPE_MASK;
  payload_ = rest_.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
  const size_t stride = NLA_ALIGN(size_t{header.nla_len});
  rest_ = rest_.subspan(std::min(stride, rest_.size()));
  return true;
}

template <class T>
T AttributeReader::exactly() {
  if (payload_.size() == sizeof(T)) return load<T>(payload_.data());
  wellFormed_ = false;
  return T{};
}

uint8_t AttributeReader::u8() {
  return exactly<uint8_t>();
}
uint16_t AttributeReader::u16() {
  return exactly<uint16_t>();
}
uint16_t AttributeReader::u16be() {
  return be16toh(exactly<uint16_t>());
}
uint32_t AttributeReader::u32() {
  return exactly<uint32_t>();
}
uint32_t AttributeReader::u32be() {
  return be32toh(exactly<uint32_t>());
}
uint64_t AttributeReader::u64() {
  return exactly<uint64_t>();
}
uint64_t AttributeReader::u64be() {
  return be64toh(exactly<uint64_t>());
}

std::string_view AttributeReader::string() const {
  const auto end = std::find(payload_.begin(), payload_.end(), uint8_t{0});
  return {reinterpret_cast<const char*>(payload_.data()), static_cast<size_t>(end - payload_.begin())};
}

void AttributeReader::stringTo(std::span<char> target) {
  const std::string_view value = string();
  std::fill(target.begin(), target.end(), '\0');
  if (value.size() >= target.size()) {
    wellFormed_ = false;
    return;
  }
  std::copy(value.begin(), value.end(), target.begin());
}

void AttributeReader::bytesTo(std::span<uint8_t> target) {
  if (payload_.size() != target.size()) {
    wellFormed_ = false;
    return;
  }
  std::copy(payload_.begin(), payload_.end(), target.begin());
}

}  // namespace netlink
