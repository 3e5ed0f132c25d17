// What JavaScript and the conntrack codec hand each other: plain structs in native byte order.
//
// FlowKey
//        0        1        2                 4                 8
//     0 | family |protocol| destination port | 0               | destination address …                        24
//
// Flow
//        0        1        2                 4                 8                 12       14
//     0 | family |protocol| zone             | id              | status          | original ports: from, to
//    16 | reply ports: from, to              | mark            | 0
//    32 | original source …
//    48 | original destination …
//    64 | reply source …
//    80 | reply destination …                                                                                 96
#pragma once

#include <cstddef>
#include <cstdint>

#include "violation.h"

namespace conntrack {

/// Flows whose original destination is this.
struct FlowKey {
  uint8_t family;    // 4 or 6
  uint8_t protocol;  // IPPROTO_*
  uint16_t port;
  uint8_t reserved[4];
  uint8_t address[16];

  bool operator==(const FlowKey&) const = default;
};
static_assert(sizeof(FlowKey) == 24);
static_assert(offsetof(FlowKey, port) == 2 && offsetof(FlowKey, address) == 8);

/// One entry of the connection-tracking table. "Original" is as the first packet was sent, "reply" as the packets that
/// answer it are expected: where the two are not each other's mirror image, addresses are translated.
struct Flow {
  uint8_t family;    // 4 or 6; 0 for what is neither
  uint8_t protocol;  // IPPROTO_*
  uint16_t zone;     // of the original direction
  uint32_t id;       // CTA_ID: made from the entry's address in the kernel and the original direction
  uint32_t status;   // IPS_*
  uint16_t originalSourcePort;
  uint16_t originalDestinationPort;
  uint16_t replySourcePort;
  uint16_t replyDestinationPort;
  uint32_t mark;
  uint8_t reserved[8];
  uint8_t originalSource[16];
  uint8_t originalDestination[16];
  uint8_t replySource[16];
  uint8_t replyDestination[16];
};
static_assert(sizeof(Flow) == 96);
static_assert(offsetof(Flow, id) == 4 && offsetof(Flow, originalSourcePort) == 12 && offsetof(Flow, mark) == 20);
static_assert(offsetof(Flow, originalSource) == 32 && offsetof(Flow, replyDestination) == 80);

FlowKey keyOf(const Flow& flow);

/// What keeps flows from being looked for by this key.
std::optional<Violation> keyViolationOf(const FlowKey& key);
/// What keeps a flow from being deleted.
std::optional<Violation> violationOf(const Flow& flow);

}  // namespace conntrack
