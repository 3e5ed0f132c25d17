// What a virtual service and a flow have in common: an address family, and a protocol that a Service can have. Flows of
// all three are told apart by ports alone (nf_ct_port_nlattr_to_tuple).
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>

#include "address.h"
#include "violation.h"

namespace endpoint {

inline std::optional<Violation> violationOf(uint8_t family, uint8_t protocol) {
  if (!address::isFamily(family)) return Violation{"family", family, "must be 4 or 6"};
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP) {
    return Violation{"protocol", protocol, "must be 6 (TCP), 17 (UDP) or 132 (SCTP)"};
  }
  return std::nullopt;
}

}  // namespace endpoint
