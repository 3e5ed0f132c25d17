#include "ipvs_record.h"

#include <linux/ip_vs.h>

#include <algorithm>
#include <iterator>

#include "address.h"
#include "endpoint.h"

namespace ipvs {

namespace {

std::optional<Violation> schedulerViolationOf(const Op& op) {
  const auto end = std::find(std::begin(op.scheduler), std::end(op.scheduler), '\0');
  if (end == std::begin(op.scheduler) || end == std::end(op.scheduler)) {
    return Violation{"scheduler", std::nullopt, "must be 1 to 15 characters, padded with NUL"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Violation> violationOf(const Op& op) {
  if (op.verb != Verb::add && op.verb != Verb::edit && op.verb != Verb::remove) {
    return Violation{"verb", static_cast<uint32_t>(op.verb), "must be 1 (add), 2 (edit) or 3 (delete)"};
  }
  if (op.kind != Kind::service && op.kind != Kind::destination) {
    return Violation{"kind", static_cast<uint32_t>(op.kind), "must be 1 (service) or 2 (destination)"};
  }
  if (auto violation = endpoint::violationOf(op.family, op.protocol)) return violation;
  if (op.kind == Kind::service) return op.verb == Verb::remove ? std::nullopt : schedulerViolationOf(op);
  if (op.forwarding > IP_VS_CONN_F_BYPASS) {
    return Violation{"forwarding", op.forwarding, "must be 0 to 4 (an IP_VS_CONN_F_ method)"};
  }
  if (op.destinationFamily != 0 && !address::isFamily(op.destinationFamily)) {
    return Violation{"destination family", op.destinationFamily, "must be 4, 6 or 0 (the service's)"};
  }
  return std::nullopt;
}

std::optional<Violation> identityViolationOf(const Op& service) {
  if (service.kind != Kind::service) {
    return Violation{"kind", static_cast<uint32_t>(service.kind), "must be 1 (service)"};
  }
  return endpoint::violationOf(service.family, service.protocol);
}

}  // namespace ipvs
