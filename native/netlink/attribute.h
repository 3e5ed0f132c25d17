// Attributes: the type-length-value records that make up every netlink payload.
//
//    0               2               4                        length        (length + 3) & ~3
//   +---------------+---------------+-------- - - - ---------+----- - - ---+
//   |    length     |F|N|   type    |        payload         |   padding   |
//   +---------------+---------------+-------- - - - ---------+----- - - ---+
//     host order      NLA_F_NESTED, NLA_F_NET_BYTEORDER: hints, not part of the type
//
// The length counts header and payload, not the padding; the last attribute's padding may be missing.
#pragma once

#include <string_view>

#include "bytes.h"

namespace netlink {

/// Walks the attributes of a region; never leaves it, whatever the lengths in it claim.
///
/// A wrong width or a bad length is remembered (`wellFormed`), the getter then gives zero: a decoder reads
/// all it knows and asks once at the end. Unknown types are the caller's to skip: kernels grow new ones.
class AttributeReader {
 public:
  explicit AttributeReader(Bytes region) : rest_(region) {}

  /// Steps to the next attribute; false at the end, or at one that claims more than there is.
  bool next();

  uint16_t type() const { return type_; }
  Bytes payload() const { return payload_; }

  uint8_t u8();
  uint16_t u16();
  uint16_t u16be();
  uint32_t u32();
  uint32_t u32be();
  uint64_t u64();
  uint64_t u64be();
  /// The characters before the first NUL, or the whole payload if it has none.
  std::string_view string() const;
  /// Copies a string shorter than `target`, filling the rest with NUL.
  void stringTo(std::span<char> target);
  /// Copies a payload of exactly the target's size.
  void bytesTo(std::span<uint8_t> target);

  /// Remembers that the payload made no sense to the caller.
  void refuse() { wellFormed_ = false; }
  bool wellFormed() const { return wellFormed_; }

 private:
  template <class T>
  T exactly();

  Bytes rest_;
  Bytes payload_;
  uint16_t type_ = 0;
  bool wellFormed_ = true;
};

}  // namespace netlink
