#include "nftables_record.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include "address.h"

namespace nftables {

namespace {

constexpr const char* nameRule = "must be 1 to 31 characters, padded with NUL";

template <size_t size>
bool isTerminated(const char (&text)[size]) {
  return std::find(std::begin(text), std::end(text), '\0') != std::end(text);
}

template <size_t size>
bool isName(const char (&text)[size]) {
  return text[0] != '\0' && isTerminated(text);
}

std::optional<Violation> violationOf(const Chain& chain) {
  if (!isName(chain.name)) return Violation{"name", std::nullopt, nameRule};
  if (chain.verb != Verb::add) return std::nullopt;
  if (chain.type != ChainType::regular && chain.type != ChainType::filter && chain.type != ChainType::nat) {
    return Violation{"type", static_cast<uint32_t>(chain.type), "must be 0 (regular), 1 (filter) or 2 (nat)"};
  }
  const bool base = chain.type != ChainType::regular;
  if (chain.hook > (base ? NF_INET_POST_ROUTING : 0)) {
    return Violation{"hook", chain.hook, "must be 0 to 4 (NF_INET_*), and 0 for a regular chain"};
  }
  if (chain.policy > (base ? NF_ACCEPT : 0)) {
    return Violation{"policy", chain.policy, "must be 0 (drop) or 1 (accept), and 0 for a regular chain"};
  }
  if (!base && chain.priority != 0) {
    return Violation{"priority", static_cast<uint32_t>(chain.priority), "must be 0 for a regular chain"};
  }
  return std::nullopt;
}

std::optional<Violation> violationOf(const Set& set) {
  if (!isName(set.name)) return Violation{"name", std::nullopt, nameRule};
  if (set.verb != Verb::add) return std::nullopt;
  const bool map = (set.flags & NFT_SET_MAP) != 0;
  if (!map && (set.dataType != 0 || set.dataLength != 0)) {
    return Violation{"data length", set.dataLength, "must be 0, as the data type, where the flags say it is no map"};
  }
  // The kernel forgets the one field of what is no concatenation.
  if (set.fieldLengths[0] != 0 && set.fieldLengths[1] == 0) {
    return Violation{"field lengths", set.fieldLengths[0], "must be two or more, or none"};
  }
  return std::nullopt;
}

std::optional<Violation> violationOf(const Rule& rule, std::span<const Object> rest) {
  if (!isName(rule.chain)) return Violation{"chain", std::nullopt, nameRule};
  if (!isTerminated(rule.comment)) {
    return Violation{"comment", std::nullopt, "must be at most 63 characters, padded with NUL"};
  }
  const auto isExpression = [](const Object& object) { return object.kind == Kind::expression; };
  const size_t count = rule.expressions;
  const bool whole = count <= mostExpressions && count <= rest.size() &&
                     std::ranges::all_of(rest.first(std::min(count, rest.size())), isExpression);
  if (whole) return std::nullopt;
  return Violation{"expressions", rule.expressions, "must be how many follow, at most 128"};
}

bool isRegister(uint8_t number) {
  // NFT_REG32_00 and every fourth after it are the aligned ones, which the kernel dumps as NFT_REG_1 to NFT_REG_4.
  return number <= NFT_REG_4 || (number > NFT_REG32_00 && number <= NFT_REG32_15 && (number - NFT_REG32_00) % 4 != 0);
}

// Attributes that the kernel fills in by itself, so that a dump would differ from what was added.
std::optional<Violation> normalizedViolationOf(const Expression& step) {
  if (step.expression == ExpressionKind::nat) {
    const uint32_t implied = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
    if (step.flags & implied) {
      return Violation{"flags", step.flags, "must not have what the registers imply (NF_NAT_RANGE_ 1 and 2)"};
    }
    if (step.source2 != 0 && step.source2 == step.source) {
      return Violation{"source 2", step.source2, "must be 0 where it is the same as the lowest address"};
    }
    if (step.source4 != 0 && step.source4 == step.source3) {
      return Violation{"source 4", step.source4, "must be 0 where it is the same as the lowest port"};
    }
  }
  const bool protocol = step.key == NFT_CT_L3PROTOCOL || step.key == NFT_CT_PROTOCOL;
  if (step.expression == ExpressionKind::ct && protocol && step.operation != 255) {
    return Violation{"operation", step.operation, "must be 255 (no direction) for a protocol"};
  }
  return std::nullopt;
}

std::optional<Violation> violationOf(const Expression& step) {
  const auto kind = static_cast<uint32_t>(step.expression);
  if (kind == 0 || step.expression > ExpressionKind::immediate) {
    return Violation{"expression", kind, "must be 1 to 11"};
  }
  for (const uint8_t number : {step.source, step.target, step.source2, step.source3, step.source4}) {
    if (!isRegister(number)) return Violation{"register", number, "must be 1 to 4 or, not aligned, 9 to 23"};
  }
  const bool holdsData = step.expression == ExpressionKind::cmp || step.expression == ExpressionKind::bitwise ||
                         step.expression == ExpressionKind::immediate;
  if (holdsData && (step.length == 0 || step.length > sizeof step.data)) {
    return Violation{"length", step.length, "must be 1 to 16"};
  }
  if (step.expression == ExpressionKind::reject && step.key > 255) {
    return Violation{"key", step.key, "must be at most 255 (an ICMP code)"};
  }
  const auto code = static_cast<int32_t>(step.key);
  const bool named = step.expression == ExpressionKind::lookup ||
                     (step.expression == ExpressionKind::verdict && (code == NFT_JUMP || code == NFT_GOTO));
  if (!isTerminated(step.name) || named != (step.name[0] != '\0')) {
    return Violation{"name", std::nullopt, "must be that of a look-up's set or a jump's chain, and else empty"};
  }
  return normalizedViolationOf(step);
}

// Walks back to the rule that an expression belongs to.
bool belongsToRule(std::span<const Object> objects, size_t index) {
  for (size_t distance = 1; distance <= mostExpressions && distance <= index; ++distance) {
    const Object& before = objects[index - distance];
    if (before.kind == Kind::rule) return distance <= std::bit_cast<Rule>(before).expressions;
    if (before.kind != Kind::expression) return false;
  }
  return false;
}

}  // namespace

std::optional<Violation> violationOf(std::span<const Object> objects, size_t index) {
  const Object& object = objects[index];
  const auto verb = static_cast<uint32_t>(object.verb);
  if (object.kind < Kind::table || object.kind > Kind::expression) {
    return Violation{"kind", static_cast<uint32_t>(object.kind), "must be 1 to 5"};
  }
  const bool lasting = object.kind <= Kind::set;
  const bool edit = object.verb == Verb::edit && object.kind == Kind::chain;
  if (object.verb != Verb::add && !edit && !(object.verb == Verb::remove && lasting)) {
    return Violation{"verb", verb, "must be 1 (add), 3 (delete) where it is no rule, or for a chain 2 (edit)"};
  }
  if (!address::isFamily(object.family)) return Violation{"family", object.family, "must be 4 or 6"};
  switch (object.kind) {
    case Kind::table:
      return std::nullopt;
    case Kind::chain:
      return violationOf(std::bit_cast<Chain>(object));
    case Kind::set:
      return violationOf(std::bit_cast<Set>(object));
    case Kind::rule:
      return violationOf(std::bit_cast<Rule>(object), objects.subspan(index + 1));
    case Kind::expression:
      break;
  }
  if (!belongsToRule(objects, index)) {
    return Violation{"kind", static_cast<uint32_t>(object.kind), "must not be 5 (expression) where no rule counts it"};
  }
  return violationOf(std::bit_cast<Expression>(object));
}

std::optional<Violation> violationOf(const Element& element) {
  if (element.verb != Verb::add && element.verb != Verb::remove) {
    return Violation{"verb", static_cast<uint32_t>(element.verb), "must be 1 (add) or 3 (delete)"};
  }
  if (!address::isFamily(element.family)) return Violation{"family", element.family, "must be 4 or 6"};
  if (!isName(element.set)) return Violation{"set", std::nullopt, "must be 1 to 23 characters, padded with NUL"};
  const bool catchAll = element.keyLength == 0 && element.verb == Verb::remove;
  if ((element.keyLength == 0 && !catchAll) || element.keyLength > sizeof element.key) {
    return Violation{"key length", element.keyLength, "must be 1 to 40"};
  }
  if (element.endLength != 0 && element.endLength != element.keyLength) {
    return Violation{"end length", element.endLength, "must be 0 or the key length"};
  }
  if (element.dataLength > sizeof element.data) {
    return Violation{"data length", element.dataLength, "must be at most 24"};
  }
  return std::nullopt;
}

}  // namespace nftables
