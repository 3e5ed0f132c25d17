#include "nftables_expression.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

namespace nftables {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::MessageWriter;

namespace {

constexpr uint8_t noDirection = 255;

constexpr std::pair<ExpressionKind, std::string_view> names[] = {
    {ExpressionKind::meta, "meta"},
    {ExpressionKind::payload, "payload"},
    {ExpressionKind::cmp, "cmp"},
    {ExpressionKind::bitwise, "bitwise"},
    {ExpressionKind::lookup, "lookup"},
    {ExpressionKind::verdict, "immediate"},
    {ExpressionKind::immediate, "immediate"},
    {ExpressionKind::ct, "ct"},
    {ExpressionKind::masquerade, "masq"},
    {ExpressionKind::nat, "nat"},
    {ExpressionKind::reject, "reject"},
};

std::string_view nameOf(ExpressionKind kind) {
  const auto found = std::ranges::find(names, kind, &std::pair<ExpressionKind, std::string_view>::first);
  return found == std::end(names) ? std::string_view{} : found->second;
}

/// Writes each attribute that is described.
class Packer {
 public:
  explicit Packer(MessageWriter& writer) : writer_(writer) {}

  template <class T>
  void number(uint16_t type, const T& value) {
    writer_.u32be(type, value);
  }
  /// Left out where it has the value that means so.
  template <class T>
  void optional(uint16_t type, const T& value, uint32_t absent = 0) {
    if (value != absent) writer_.u32be(type, value);
  }
  template <class T>
  void byte(uint16_t type, const T& value) {
    writer_.u8(type, static_cast<uint8_t>(value));
  }
  void direction(uint16_t type, const uint8_t& value) {
    if (value != noDirection) writer_.u8(type, value);
  }
  void constant(uint16_t type, uint32_t value) { writer_.u32be(type, value); }
  void name(uint16_t type, const char (&value)[32]) { writer_.string(type, {value, strnlen(value, sizeof value)}); }
  void value(uint16_t type, const uint8_t (&bytes)[16], const uint32_t& length) {
    const MessageWriter::Nest data(writer_, type);
    writer_.bytes(NFTA_DATA_VALUE, Bytes(bytes).first(std::min<size_t>(length, sizeof bytes)));
  }
  void verdict(uint16_t type, const uint32_t& code, const char (&chain)[32]) {
    const MessageWriter::Nest data(writer_, type);
    const MessageWriter::Nest verdict(writer_, NFTA_DATA_VERDICT);
    writer_.u32be(NFTA_VERDICT_CODE, code);
    if (chain[0] != '\0') name(NFTA_VERDICT_CHAIN, chain);
  }

 private:
  MessageWriter& writer_;
};

/// Reads each attribute that is described; what is missing, does not fit or was not described is remembered (`held`).
class Unpacker {
 public:
  explicit Unpacker(Bytes attributes) : attributes_(attributes) {}

  template <class T>
  void number(uint16_t type, T& value) {
    if (find(type)) {
      narrow(reader_.u32be(), value);
    } else {
      held_ = false;
    }
  }
  template <class T>
  void optional(uint16_t type, T& value, uint32_t absent = 0) {
    value = static_cast<T>(absent);
    if (!find(type)) return;
    narrow(reader_.u32be(), value);
    if (value == absent) held_ = false;
  }
  template <class T>
  void byte(uint16_t type, T& value) {
    if (find(type)) {
      value = reader_.u8();
    } else {
      held_ = false;
    }
  }
  void direction(uint16_t type, uint8_t& value) { value = find(type) ? reader_.u8() : noDirection; }
  void constant(uint16_t type, uint32_t value) {
    if (!find(type) || reader_.u32be() != value) held_ = false;
  }
  void name(uint16_t type, char (&value)[32]) {
    if (find(type)) {
      copyName(reader_.string(), value);
    } else {
      held_ = false;
    }
  }
  void value(uint16_t type, uint8_t (&bytes)[16], uint32_t& length) {
    const Bytes data = find(type) ? nested(reader_, NFTA_DATA_VALUE) : Bytes{};
    if (data.empty() || data.size() > sizeof bytes || (length != 0 && data.size() != length)) {
      held_ = false;
      return;
    }
    std::ranges::copy(data, bytes);
    length = static_cast<uint32_t>(data.size());
  }
  void verdict(uint16_t type, uint32_t& code, char (&chain)[32]) {
    if (!find(type)) {
      held_ = false;
      return;
    }
    AttributeReader verdict(nested(reader_, NFTA_DATA_VERDICT));
    bool coded = false;
    while (verdict.next()) {
      if (verdict.type() == NFTA_VERDICT_CODE) {
        code = verdict.u32be();
        coded = true;
      }
      if (verdict.type() == NFTA_VERDICT_CHAIN) copyName(verdict.string(), chain);
    }
    if (!verdict.wellFormed() || !coded) held_ = false;
  }

  bool held() const { return held_ && reader_.wellFormed() && described_ == count(); }

 private:
  bool find(uint16_t type) {
    if (!reader_.wellFormed()) held_ = false;
    reader_ = AttributeReader(attributes_);
    while (reader_.next()) {
      if (reader_.type() != type) continue;
      ++described_;
      return true;
    }
    return false;
  }
  size_t count() const {
    size_t count = 0;
    for (AttributeReader reader(attributes_); reader.next();) ++count;
    return count;
  }
  template <class T>
  void narrow(uint32_t number, T& value) {
    value = static_cast<T>(number);
    if (value != number) held_ = false;
  }
  void copyName(std::string_view text, char (&value)[32]) {
    if (text.size() >= sizeof value) {
      held_ = false;
    } else {
      std::ranges::copy(text, value);
    }
  }
  static Bytes nested(const AttributeReader& outer, uint16_t type) {
    AttributeReader reader(outer.payload());
    while (reader.next()) {
      if (reader.type() == type) return reader.payload();
    }
    return {};
  }

  Bytes attributes_;
  AttributeReader reader_{{}};
  size_t described_ = 0;
  bool held_ = true;
};

// The attributes of each expression, in the order in which nft 1.0.6 sends them.
template <class Codec, class Step>
void describe(Codec& codec, Step& step) {
  switch (step.expression) {
    case ExpressionKind::meta:
      codec.number(NFTA_META_KEY, step.key);
      codec.optional(NFTA_META_DREG, step.target);
      codec.optional(NFTA_META_SREG, step.source);
      break;
    case ExpressionKind::payload:
      codec.number(NFTA_PAYLOAD_DREG, step.target);
      codec.number(NFTA_PAYLOAD_BASE, step.operation);
      codec.number(NFTA_PAYLOAD_OFFSET, step.offset);
      codec.number(NFTA_PAYLOAD_LEN, step.length);
      break;
    case ExpressionKind::cmp:
      codec.number(NFTA_CMP_SREG, step.source);
      codec.number(NFTA_CMP_OP, step.operation);
      codec.value(NFTA_CMP_DATA, step.data, step.length);
      break;
    case ExpressionKind::bitwise:
      codec.number(NFTA_BITWISE_SREG, step.source);
      codec.number(NFTA_BITWISE_DREG, step.target);
      codec.constant(NFTA_BITWISE_OP, NFT_BITWISE_BOOL);
      codec.number(NFTA_BITWISE_LEN, step.length);
      codec.value(NFTA_BITWISE_MASK, step.data, step.length);
      codec.value(NFTA_BITWISE_XOR, step.mask, step.length);
      break;
    case ExpressionKind::lookup:
      codec.number(NFTA_LOOKUP_SREG, step.source);
      codec.optional(NFTA_LOOKUP_DREG, step.target);
      codec.name(NFTA_LOOKUP_SET, step.name);
      codec.number(NFTA_LOOKUP_FLAGS, step.flags);
      break;
    case ExpressionKind::verdict:
      codec.constant(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
      codec.verdict(NFTA_IMMEDIATE_DATA, step.key, step.name);
      break;
    case ExpressionKind::immediate:
      codec.number(NFTA_IMMEDIATE_DREG, step.target);
      codec.value(NFTA_IMMEDIATE_DATA, step.data, step.length);
      break;
    case ExpressionKind::ct:
      codec.number(NFTA_CT_KEY, step.key);
      codec.number(NFTA_CT_DREG, step.target);
      codec.direction(NFTA_CT_DIRECTION, step.operation);
      break;
    case ExpressionKind::masquerade:
      codec.optional(NFTA_MASQ_FLAGS, step.flags);
      break;
    case ExpressionKind::nat:
      codec.number(NFTA_NAT_TYPE, step.operation);
      codec.number(NFTA_NAT_FAMILY, step.key);
      codec.optional(NFTA_NAT_REG_ADDR_MIN, step.source);
      codec.optional(NFTA_NAT_REG_ADDR_MAX, step.source2);
      codec.optional(NFTA_NAT_REG_PROTO_MIN, step.source3);
      codec.optional(NFTA_NAT_REG_PROTO_MAX, step.source4);
      codec.optional(NFTA_NAT_FLAGS, step.flags);
      break;
    case ExpressionKind::reject:
      codec.number(NFTA_REJECT_TYPE, step.operation);
      if (step.operation != NFT_REJECT_TCP_RST) codec.byte(NFTA_REJECT_ICMP_CODE, step.key);
      break;
    case ExpressionKind::other:
      break;
  }
}

// nft_nat_init (6.1) fills in the highest of what has a lowest, and the flags that say so.
void forgetImplied(Expression& nat) {
  if (nat.source2 == nat.source) nat.source2 = 0;
  if (nat.source4 == nat.source3) nat.source4 = 0;
  if (nat.source != 0) nat.flags &= ~uint32_t{NF_NAT_RANGE_MAP_IPS};
  if (nat.source3 != 0) nat.flags &= ~uint32_t{NF_NAT_RANGE_PROTO_SPECIFIED};
}

// True if the fields of this kind say all that is in the attributes.
bool unpackAs(ExpressionKind kind, Bytes attributes, Expression& step) {
  step = {};
  step.kind = Kind::expression;
  step.expression = kind;
  Unpacker unpacker(attributes);
  describe(unpacker, step);
  if (kind == ExpressionKind::nat) forgetImplied(step);
  return unpacker.held();
}

}  // namespace

void packExpression(MessageWriter& writer, const Expression& expression) {
  const MessageWriter::Nest element(writer, NFTA_LIST_ELEM);
  writer.string(NFTA_EXPR_NAME, nameOf(expression.expression));
  const MessageWriter::Nest data(writer, NFTA_EXPR_DATA);
  Packer packer(writer);
  describe(packer, expression);
}

bool unpackExpression(Bytes element, Expression& expression) {
  std::string_view name;
  Bytes attributes;
  AttributeReader reader(element);
  while (reader.next()) {
    if (reader.type() == NFTA_EXPR_NAME) name = reader.string();
    if (reader.type() == NFTA_EXPR_DATA) attributes = reader.payload();
  }
  // Two kinds are called "immediate"; what one of them cannot hold the other may.
  for (const auto& [kind, known] : names) {
    if (known == name && unpackAs(kind, attributes, expression)) return reader.wellFormed();
  }
  expression = {};
  expression.kind = Kind::expression;
  expression.expression = ExpressionKind::other;
  std::ranges::copy(name.substr(0, sizeof expression.name - 1), expression.name);
  return reader.wellFormed();
}

}  // namespace nftables
