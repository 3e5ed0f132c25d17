#include "conntrack_record.h"

#include <cstring>

#include "endpoint.h"

namespace conntrack {

FlowKey keyOf(const Flow& flow) {
  FlowKey key{};
  key.family = flow.family;
  key.protocol = flow.protocol;
  key.port = flow.originalDestinationPort;
  std::memcpy(key.address, flow.originalDestination, sizeof key.address);
  return key;
}

std::optional<Violation> keyViolationOf(const FlowKey& key) {
  return endpoint::violationOf(key.family, key.protocol);
}

std::optional<Violation> violationOf(const Flow& flow) {
  return endpoint::violationOf(flow.family, flow.protocol);
}

}  // namespace conntrack
