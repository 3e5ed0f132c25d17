// What all messages of nf_tables have in common: the type's upper byte, the header, names.
#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "../netlink/message.h"
#include "address.h"

namespace nftables {

/// Message type and NLM_F_ flags of an operation.
struct Command {
  uint16_t type;
  uint16_t flags;
};

/// A message type of nf_tables (NFT_MSG_*) as it is in a message's header.
constexpr uint16_t typeOf(uint8_t message) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

inline void packHeader(netlink::MessageWriter& writer, uint8_t family) {
  writer.header(nfgenmsg{.nfgen_family = family == address::v6 ? uint8_t{NFPROTO_IPV6} : uint8_t{NFPROTO_IPV4},
                         .version = NFNETLINK_V0,
                         .res_id = 0});
}
/// The family in a header; 0 for what is neither 4 nor 6.
inline uint8_t familyOf(const nfgenmsg& header) {
  return header.nfgen_family == NFPROTO_IPV6   ? address::v6
         : header.nfgen_family == NFPROTO_IPV4 ? address::v4
                                               : uint8_t{0};
}

template <size_t size>
std::string_view textOf(const char (&padded)[size]) {
  return {padded, strnlen(padded, size)};
}
/// Cuts what is too long.
template <size_t size>
void copyText(std::string_view text, char (&padded)[size]) {
  std::ranges::copy(text.substr(0, size - 1), padded);
}

}  // namespace nftables
