#include "nftables_codec.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "../netlink/attribute.h"
#include "nftables_expression.h"

namespace nftables {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::Message;
using netlink::MessageWriter;

namespace {

// libnftnl's type of a rule's comment among its user data: | type | length | text, NUL |
constexpr uint8_t commentType = 0;
// … and of its user data of a set: | type | length | enum byteorder of nft's datatype.h, in this machine's order |
constexpr uint8_t keyByteOrder = 0;
constexpr uint32_t hostOrder = 1;
// Key types whose values are in that order (nft's enum datatypes).
constexpr uint32_t nftMark = 19;
constexpr uint32_t nftInterfaceName = 41;

template <class Record>
Record ofKind(Kind kind, const nfgenmsg& header) {
  Record record{};
  record.kind = kind;
  record.family = familyOf(header);
  return record;
}

constexpr std::string_view typeNames[] = {"", "filter", "nat"};

void packChain(MessageWriter& writer, const Chain& chain) {
  writer.string(NFTA_CHAIN_NAME, textOf(chain.name));
  if (chain.verb != Verb::add || chain.type == ChainType::regular) return;
  writer.string(NFTA_CHAIN_TYPE, typeNames[static_cast<uint8_t>(chain.type)]);
  writer.u32be(NFTA_CHAIN_POLICY, chain.policy);
  const MessageWriter::Nest hook(writer, NFTA_CHAIN_HOOK);
  writer.u32be(NFTA_HOOK_HOOKNUM, chain.hook);
  writer.u32be(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(chain.priority));
}

void unpackHook(AttributeReader& attributes, Chain& chain) {
  AttributeReader reader(attributes.payload());
  while (reader.next()) {
    if (reader.type() == NFTA_HOOK_HOOKNUM) chain.hook = static_cast<uint8_t>(reader.u32be());
    if (reader.type() == NFTA_HOOK_PRIORITY) chain.priority = static_cast<int32_t>(reader.u32be());
  }
  if (!reader.wellFormed()) attributes.refuse();
}

ChainType unpackType(std::string_view name) {
  const auto found = std::ranges::find(typeNames, name);
  return found == std::end(typeNames) ? ChainType::other : static_cast<ChainType>(found - std::begin(typeNames));
}

void packDescription(MessageWriter& writer, const Set& set) {
  const MessageWriter::Nest description(writer, NFTA_SET_DESC);
  if (set.size != 0) writer.u32be(NFTA_SET_DESC_SIZE, set.size);
  if (set.fieldLengths[0] == 0) return;
  const MessageWriter::Nest concatenation(writer, NFTA_SET_DESC_CONCAT);
  for (const uint8_t length : set.fieldLengths) {
    if (length == 0) break;
    const MessageWriter::Nest field(writer, NFTA_LIST_ELEM);
    writer.u32be(NFTA_SET_FIELD_LEN, length);
  }
}

void unpackDescription(AttributeReader& attributes, Set& set) {
  size_t count = 0;
  AttributeReader description(attributes.payload());
  while (description.next()) {
    if (description.type() == NFTA_SET_DESC_SIZE) set.size = description.u32be();
    if (description.type() != NFTA_SET_DESC_CONCAT) continue;
    AttributeReader fields(description.payload());
    while (fields.next()) {
      AttributeReader field(fields.payload());
      while (field.next()) {
        if (field.type() != NFTA_SET_FIELD_LEN || count == sizeof set.fieldLengths) continue;
        set.fieldLengths[count++] = static_cast<uint8_t>(field.u32be());
      }
      if (!field.wellFormed()) attributes.refuse();
    }
    if (!fields.wellFormed()) attributes.refuse();
  }
  if (!description.wellFormed()) attributes.refuse();
}

// nft lists numbers that are no addresses or ports wrongly unless it is told that they are in this machine's order.
void packByteOrder(MessageWriter& writer, const Set& set) {
  if (set.keyType != nftMark && set.keyType != nftInterfaceName) return;
  uint8_t record[2 + sizeof hostOrder] = {keyByteOrder, sizeof hostOrder};
  std::memcpy(record + 2, &hostOrder, sizeof hostOrder);
  writer.bytes(NFTA_SET_USERDATA, record);
}

void packSet(MessageWriter& writer, const Set& set, uint32_t id) {
  writer.string(NFTA_SET_NAME, textOf(set.name));
  if (set.verb != Verb::add) return;
  writer.u32be(NFTA_SET_FLAGS, set.flags);
  writer.u32be(NFTA_SET_KEY_TYPE, set.keyType);
  writer.u32be(NFTA_SET_KEY_LEN, set.keyLength);
  if (set.flags & NFT_SET_MAP) {
    writer.u32be(NFTA_SET_DATA_TYPE, set.dataType);
    writer.u32be(NFTA_SET_DATA_LEN, set.dataLength);
  }
  writer.u32be(NFTA_SET_ID, id);
  if (set.fieldLengths[0] != 0 || set.size != 0) packDescription(writer, set);
  packByteOrder(writer, set);
}

void packComment(MessageWriter& writer, std::string_view comment) {
  uint8_t record[2 + sizeof Rule::comment] = {commentType, static_cast<uint8_t>(comment.size() + 1)};
  std::ranges::copy(comment, record + 2);
  writer.bytes(NFTA_RULE_USERDATA, Bytes(record).first(2 + comment.size() + 1));
}

// Not every writer of user data keeps to libnftnl's form: what is none has no comment.
void unpackComment(Bytes records, Rule& rule) {
  while (records.size() >= 2) {
    const size_t length = records[1];
    if (length > records.size() - 2) return;
    const Bytes value = records.subspan(2, length);
    if (records[0] == commentType) {
      const auto end = std::ranges::find(value, uint8_t{0});
      copyText({reinterpret_cast<const char*>(value.data()), static_cast<size_t>(end - value.begin())}, rule.comment);
    }
    records = records.subspan(2 + length);
  }
}

void packRule(MessageWriter& writer, const Rule& rule, std::span<const Object> expressions) {
  writer.string(NFTA_RULE_CHAIN, textOf(rule.chain));
  {
    const MessageWriter::Nest list(writer, NFTA_RULE_EXPRESSIONS);
    for (const Object& object : expressions) packExpression(writer, std::bit_cast<Expression>(object));
  }
  if (rule.comment[0] != '\0') packComment(writer, textOf(rule.comment));
}

void unpackExpressions(AttributeReader& attributes, uint8_t family, std::vector<Object>& objects) {
  AttributeReader reader(attributes.payload());
  while (reader.next()) {
    Expression expression;
    if (!unpackExpression(reader.payload(), expression)) attributes.refuse();
    expression.family = family;
    objects.push_back(std::bit_cast<Object>(expression));
  }
  if (!reader.wellFormed()) attributes.refuse();
}

}  // namespace

Command commandOf(const Object& op) {
  const bool add = op.verb == Verb::add;
  switch (op.kind) {
    case Kind::table:
      return add ? Command{typeOf(NFT_MSG_NEWTABLE), NLM_F_CREATE} : Command{typeOf(NFT_MSG_DELTABLE), 0};
    case Kind::chain:
      if (op.verb == Verb::edit) return {typeOf(NFT_MSG_DELRULE), 0};
      return add ? Command{typeOf(NFT_MSG_NEWCHAIN), NLM_F_CREATE} : Command{typeOf(NFT_MSG_DELCHAIN), 0};
    case Kind::set:
      return add ? Command{typeOf(NFT_MSG_NEWSET), NLM_F_CREATE} : Command{typeOf(NFT_MSG_DELSET), 0};
    case Kind::rule:
    case Kind::expression:
      break;
  }
  return {typeOf(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND};
}

void packBatchMark(MessageWriter& writer) {
  writer.header(nfgenmsg{.nfgen_family = 0, .version = NFNETLINK_V0, .res_id = htobe16(NFNL_SUBSYS_NFTABLES)});
}

size_t roomOf(const Object& op) {
  constexpr size_t plain = 512;
  constexpr size_t expression = 192;
  return plain + (op.kind == Kind::rule ? expression * std::bit_cast<Rule>(op).expressions : 0);
}

void packObject(MessageWriter& writer, std::string_view table, std::span<const Object> ops, uint32_t id) {
  const Object& op = ops.front();
  packHeader(writer, op.family);
  // The table is attribute 1 of all: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_TABLE, NFTA_RULE_TABLE.
  writer.string(NFTA_TABLE_NAME, table);
  switch (op.kind) {
    case Kind::table:
      break;
    case Kind::chain:
      // To delete all rules of a chain is to delete a rule and not say which.
      if (op.verb == Verb::edit) return writer.string(NFTA_RULE_CHAIN, textOf(std::bit_cast<Chain>(op).name));
      return packChain(writer, std::bit_cast<Chain>(op));
    case Kind::set:
      return packSet(writer, std::bit_cast<Set>(op), id);
    case Kind::rule: {
      const Rule rule = std::bit_cast<Rule>(op);
      return packRule(writer, rule, ops.subspan(1, rule.expressions));
    }
    case Kind::expression:
      break;
  }
}

void packGenerationQuery(MessageWriter& writer) {
  writer.header(nfgenmsg{});
}

bool unpackGeneration(const Message& message, uint32_t& generation) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  bool found = false;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() != NFTA_GEN_ID) continue;
    generation = reader.u32be();
    found = true;
  }
  return reader.wellFormed() && found;
}

void packQuery(MessageWriter& writer, Kind kind, uint8_t family, std::string_view table) {
  packHeader(writer, family);
  // Ignored for chains (nf_tables_dump_chains, 6.1).
  if (kind != Kind::chain) writer.string(NFTA_TABLE_NAME, table);
}

bool unpackTable(const Message& message, std::string_view table, std::vector<Object>& objects) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  bool ours = false;
  Table record = ofKind<Table>(Kind::table, header);
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_TABLE_NAME) ours = reader.string() == table;
    if (reader.type() == NFTA_TABLE_FLAGS) record.flags = reader.u32be();
  }
  if (ours) objects.push_back(std::bit_cast<Object>(record));
  return reader.wellFormed();
}

bool unpackChain(const Message& message, std::string_view table, std::vector<Object>& objects) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  bool ours = false;
  bool bound = false;
  Chain chain = ofKind<Chain>(Kind::chain, header);
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_CHAIN_TABLE) ours = reader.string() == table;
    if (reader.type() == NFTA_CHAIN_NAME) copyText(reader.string(), chain.name);
    if (reader.type() == NFTA_CHAIN_TYPE) chain.type = unpackType(reader.string());
    if (reader.type() == NFTA_CHAIN_POLICY) chain.policy = static_cast<uint8_t>(reader.u32be());
    if (reader.type() == NFTA_CHAIN_HOOK) unpackHook(reader, chain);
    if (reader.type() == NFTA_CHAIN_FLAGS) bound = (reader.u32be() & NFT_CHAIN_BINDING) != 0;
  }
  if (ours && !bound) objects.push_back(std::bit_cast<Object>(chain));
  return reader.wellFormed();
}

bool unpackSet(const Message& message, std::string_view table, std::vector<Object>& objects) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  bool ours = false;
  Set set = ofKind<Set>(Kind::set, header);
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_SET_TABLE) ours = reader.string() == table;
    if (reader.type() == NFTA_SET_NAME) copyText(reader.string(), set.name);
    if (reader.type() == NFTA_SET_FLAGS) set.flags = reader.u32be();
    if (reader.type() == NFTA_SET_KEY_TYPE) set.keyType = reader.u32be();
    if (reader.type() == NFTA_SET_KEY_LEN) set.keyLength = reader.u32be();
    if (reader.type() == NFTA_SET_DATA_TYPE) set.dataType = reader.u32be();
    if (reader.type() == NFTA_SET_DATA_LEN) set.dataLength = reader.u32be();
    if (reader.type() == NFTA_SET_DESC) unpackDescription(reader, set);
  }
  if (ours) objects.push_back(std::bit_cast<Object>(set));
  return reader.wellFormed();
}

bool unpackRule(const Message& message, std::string_view table, std::vector<Object>& objects) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  bool ours = false;
  const size_t at = objects.size();
  Rule rule = ofKind<Rule>(Kind::rule, header);
  objects.emplace_back();
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_RULE_TABLE) ours = reader.string() == table;
    if (reader.type() == NFTA_RULE_CHAIN) copyText(reader.string(), rule.chain);
    if (reader.type() == NFTA_RULE_HANDLE) rule.handle = reader.u64be();
    if (reader.type() == NFTA_RULE_EXPRESSIONS) unpackExpressions(reader, rule.family, objects);
    if (reader.type() == NFTA_RULE_USERDATA) unpackComment(reader.payload(), rule);
  }
  rule.expressions = static_cast<uint32_t>(objects.size() - at - 1);
  objects[at] = std::bit_cast<Object>(rule);
  if (!ours) objects.resize(at);
  return reader.wellFormed();
}

}  // namespace nftables
