#include "route_record.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "address.h"

namespace route {

namespace {

std::optional<Violation> linkViolationOf(const Record& op) {
  if (op.family != 0) return Violation{"family", op.family, "must be 0 for a link"};
  const auto end = std::find(std::begin(op.name), std::end(op.name), '\0');
  if (end == std::begin(op.name) || end == std::end(op.name)) {
    return Violation{"name", std::nullopt, "must be 1 to 15 characters, padded with NUL"};
  }
  const bool known = op.linkChange == LinkChange::noGeneratedAddress || op.linkChange == LinkChange::up;
  if (op.verb == Verb::edit && !known) {
    return Violation{"link change", static_cast<uint32_t>(op.linkChange), "must be 1 (no generated address) or 2 (up)"};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Violation> violationOf(const Record& op) {
  const bool edit = op.verb == Verb::edit && op.kind != Kind::address;
  if (op.verb != Verb::add && op.verb != Verb::remove && !edit) {
    return Violation{"verb", static_cast<uint32_t>(op.verb),
                     "must be 1 (add), 3 (delete), or 2 (edit) but for an address"};
  }
  if (op.kind == Kind::link) return linkViolationOf(op);
  if (op.kind != Kind::address && op.kind != Kind::localRoute) {
    return Violation{"kind", static_cast<uint32_t>(op.kind), "must be 1 (link), 2 (address) or 3 (local route)"};
  }
  if (!address::isFamily(op.family)) return Violation{"family", op.family, "must be 4 or 6"};
  if (op.prefixLength > address::sizeOf(op.family) * 8) {
    return Violation{"prefix length", op.prefixLength, "must be at most 32 (family 4) or 128 (family 6)"};
  }
  if (op.device == 0 || op.device > std::numeric_limits<int32_t>::max()) {
    return Violation{"device", op.device, "must be the index of a network device"};
  }
  return std::nullopt;
}

}  // namespace route
