#include "conntrack_record.h"

#include <netinet/in.h>

#include <cstring>

#include "address.h"

namespace conntrack {

namespace {

// Protocols whose flows are told apart by ports alone (nf_ct_port_nlattr_to_tuple) and which a Service can have.
std::optional<Violation> endpointViolationOf(uint8_t family, uint8_t protocol) {
  if (!address::isFamily(family)) return Violation{"family", family, "must be 4 or 6"};
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP) {
    return Violation{"protocol", protocol, "must be 6 (TCP), 17 (UDP) or 132 (SCTP)"};
  }
  return std::nullopt;
}

}  // namespace

FlowKey keyOf(const Flow& flow) {
  FlowKey key{};
  key.family = flow.family;
  key.protocol = flow.protocol;
  key.port = flow.originalDestinationPort;
  std::memcpy(key.address, flow.originalDestination, sizeof key.address);
  return key;
}

std::optional<Violation> keyViolationOf(const FlowKey& key) {
  return endpointViolationOf(key.family, key.protocol);
}

std::optional<Violation> violationOf(const Flow& flow) {
  return endpointViolationOf(flow.family, flow.protocol);
}

}  // namespace conntrack
