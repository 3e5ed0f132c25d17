// What is read: recordings of a real kernel, what was written itself, and what no kernel sends.

#include <linux/netfilter/nf_nat.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "../families/nftables_codec.h"
#include "check.h"
#include "nftables_records.h"
#include "recording.h"

using check::hex;
using check::same;
using check::test;
using netlink::Message;
using netlink::MessageWriter;
using nftables::Chain;
using nftables::Expression;
using nftables::Object;
using nftables::Rule;
using nftables::Set;
using records::ChainType;
using records::ExpressionKind;
using records::Kind;
using records::Objects;

namespace {

constexpr const char* tableName = "kube-ipvs";

using Unpack = bool (*)(const Message& message, std::string_view table, std::vector<Object>& objects);

Objects recorded(const char* name, Unpack unpack) {
  Objects objects;
  recording::eachMessage(name, [&](const Message& message) { CHECK(unpack(message, tableName, objects)); });
  return objects;
}

bool sameRecord(const Object& one, const Object& other) {
  return std::memcmp(&one, &other, sizeof one) == 0;
}

template <size_t size>
std::string text(const char (&padded)[size]) {
  return {padded, strnlen(padded, size)};
}

template <class Record>
Record named(const Objects& objects, std::string_view name) {
  for (const Object& object : objects) {
    if (const Record record = std::bit_cast<Record>(object); text(record.name) == name) return record;
  }
  CHECK(false);
  return {};
}

// Each rule as its chain, its comment, and the kinds of its steps, with the names of the others.
std::vector<std::string> outline(const Objects& objects) {
  std::vector<std::string> lines;
  for (const Object& object : objects) {
    if (object.kind == Kind::rule) {
      const Rule rule = std::bit_cast<Rule>(object);
      lines.push_back(text(rule.chain) + " '" + text(rule.comment) + "' " + std::to_string(rule.expressions) + ":");
      CHECK(rule.handle != 0);
    } else {
      const Expression step = std::bit_cast<Expression>(object);
      CHECK(object.kind == Kind::expression && object.family == 4);
      lines.back() +=
          " " + (step.expression == ExpressionKind::other ? text(step.name)
                                                          : std::to_string(static_cast<int>(step.expression)));
    }
  }
  return lines;
}

void recordingTests() {
  test("a recorded table is found by its name", [] {
    const Objects four = recorded("nftables_table/table-v4", nftables::unpackTable);
    const Objects six = recorded("nftables_table/table-v6", nftables::unpackTable);
    CHECK(four.size() == 1 && four[0].kind == Kind::table && four[0].family == 4);
    CHECK(six.size() == 1 && six[0].kind == Kind::table && six[0].family == 6);
    Objects none;
    recording::eachMessage("nftables_table/table-v4", [&](const Message& message) {
      CHECK(nftables::unpackTable(message, "kube-ipvs-2", none) && none.empty());
    });
  });

  test("recorded chains are those of the table, with their hooks; a long name is cut", [] {
    const Objects chains = recorded("nftables_chain/chains-v4", nftables::unpackChain);
    CHECK(chains.size() == 6 && std::ranges::all_of(chains, [](const Object& one) { return one.family == 4; }));
    const Chain in = named<Chain>(chains, "in");
    CHECK(in.type == ChainType::filter && in.hook == NF_INET_LOCAL_IN && in.priority == -5 && in.policy == NF_DROP);
    const Chain after = named<Chain>(chains, "after");
    CHECK(after.type == ChainType::nat && after.hook == NF_INET_POST_ROUTING && after.priority == 100);
    CHECK(after.policy == NF_ACCEPT && after.verb == records::Verb::none);
    CHECK(named<Chain>(chains, "out").type == ChainType::other);
    CHECK(named<Chain>(chains, "marks").type == ChainType::regular);
    CHECK(named<Chain>(chains, "a-name-that-is-longer-than-thir").type == ChainType::regular);
  });

  test("recorded sets are read with types, lengths and fields", [] {
    const Objects sets = recorded("nftables_set/sets-v4", nftables::unpackSet);
    const Set map = named<Set>(sets, "forward");
    CHECK(map.flags == NFT_SET_MAP && map.keyType == 0x730d && map.keyLength == 12);
    CHECK(map.dataType == 0x1cd && map.dataLength == 8 && map.fieldLengths[0] == 0);
    const Set allowed = named<Set>(sets, "allowed");
    CHECK(allowed.flags == (NFT_SET_INTERVAL | NFT_SET_CONCAT) && allowed.keyType == 0x1cc347);
    CHECK(allowed.keyLength == 16 && same(allowed.fieldLengths, hex("0401020400000000")));
    CHECK((named<Set>(sets, "odd").flags & NFT_SET_TIMEOUT) != 0 && named<Set>(sets, "odd").size == 16);
    CHECK(map.size == 0 && allowed.size == 0);
    CHECK(named<Set>(sets, "__set0").flags == (NFT_SET_ANONYMOUS | NFT_SET_CONSTANT));
  });

  test("recorded rules are read in their order, and what a record cannot say by its name", [] {
    const std::vector<std::string> expected = {
        "marks 'ours' 3: 1 4 1",
        "marks '' 4: 1 4 1 6",
        "before 'forward' 5: 2 1 2 5 9",
        "in '' 6: 7 4 3 1 3 6",
        "in '' 7: 2 1 byteorder 2 2 5 6",
        "in '' 3: 2 5 immediate",
        "in '' 3: 7 3 6",
        "in '' 3: 2 3 10",
        "in '' 1: 10",
        "after '' 3: 2 3 8",
        "after '' 5: 1 3 11 11 masq",
        "after '' 1: 8",
        "after '' 7: 1 3 11 11 11 11 9",
        "out '' 1: counter",
        "out '' 2: limit log",
        "out '' 2: 1 lookup",
        "out '' 6: 1 3 2 5 11 ct",
        "out '' 8: 1 3 2 3 3 2 4 payload",
    };
    const auto lines = outline(recorded("nftables_rule/rules-v4", nftables::unpackRule));
    for (size_t i = 0; i < std::max(lines.size(), expected.size()); ++i) {
      const std::string read = i < lines.size() ? lines[i] : "";
      const std::string wanted = i < expected.size() ? expected[i] : "";
      if (read != wanted) std::printf("  read %s, expected %s\n", read.c_str(), wanted.c_str());
      CHECK(read == wanted);
    }
  });

  test("recorded expressions are as they were written, without what the kernel filled in", [] {
    Objects objects = recorded("nftables_rule/rules-v4", nftables::unpackRule);
    const auto at = std::ranges::find_if(objects, [](const Object& object) {
      return object.kind == Kind::expression && std::bit_cast<Expression>(object).expression == ExpressionKind::nat &&
             std::bit_cast<Expression>(object).source4 != 0;
    });
    CHECK(at != objects.end());
    Expression nat = records::nat(NFT_NAT_SNAT, 1, 3);
    nat.source2 = 2;
    nat.source4 = 4;
    nat.flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY | NF_NAT_RANGE_PERSISTENT;
    nat.verb = records::Verb::none;
    CHECK(at != objects.end() && sameRecord(*at, std::bit_cast<Object>(nat)));
  });
}

// What was packed, read as if the kernel sent it.
Objects reread(const Objects& ops, Unpack unpack) {
  std::vector<uint8_t> room(roomOf(ops.front()));
  MessageWriter writer(room);
  writer.begin(0, 0, 1);
  packObject(writer, tableName, ops, 1);
  const size_t size = writer.finish();
  Objects objects;
  const Message message{
      .type = 0, .flags = 0, .sequence = 1, .payload = netlink::Bytes(room).subspan(NLMSG_HDRLEN, size - NLMSG_HDRLEN)};
  CHECK(unpack(message, tableName, objects));
  for (Object& object : objects) object.verb = records::Verb::add;
  return objects;
}

bool survives(const Objects& ops, Unpack unpack) {
  const Objects objects = reread(ops, unpack);
  return std::ranges::equal(
      objects, ops, [](const Object& one, const Object& other) { return std::memcmp(&one, &other, sizeof one) == 0; });
}

void roundTripTests() {
  test("what was written reads as the same", [] {
    CHECK(survives({records::table(6)}, nftables::unpackTable));
    Chain chain = records::chain("before", ChainType::nat);
    chain.hook = NF_INET_LOCAL_OUT;
    chain.policy = NF_ACCEPT;
    chain.priority = -2'000'000'000;
    CHECK(survives({std::bit_cast<Object>(chain)}, nftables::unpackChain));
    CHECK(survives({std::bit_cast<Object>(records::chain("x"))}, nftables::unpackChain));
    Set set = records::set("thirty-one-characters-long-----", 0xffffff, 64);
    set.flags = NFT_SET_MAP | NFT_SET_INTERVAL | NFT_SET_CONCAT;
    set.dataType = 1;
    set.dataLength = 64;
    records::writeBytes(set.fieldLengths, "0102030405060708");
    set.size = 65'536;
    CHECK(survives({std::bit_cast<Object>(set)}, nftables::unpackSet));
    Expression masquerade = records::step(ExpressionKind::masquerade);
    const Objects rule =
        records::rule("thirty-one-characters-long-----",
                      {records::meta(NFT_META_PKTTYPE, 23),
                       records::meta(NFT_META_MARK, 0, 4),
                       records::payload(2, 65535, 16, 21),
                       records::cmp(1, NFT_CMP_GTE, "00112233445566778899aabbccddeeff"),
                       records::cmp(23, NFT_CMP_NEQ, "00"),
                       records::bitwise(1, 2, "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"),
                       records::lookup(1, "thirty-one-characters-long-----", 0, NFT_LOOKUP_F_INV),
                       records::lookup(1, "m", 17),
                       records::verdict(NFT_GOTO, "thirty-one-characters-long-----"),
                       records::verdict(NF_DROP),
                       records::verdict(NFT_CONTINUE),
                       records::ct(NFT_CT_STATE, 255, 1),
                       records::ct(NFT_CT_PROTO_DST, 1, 9),
                       masquerade,
                       records::nat(NFT_NAT_DNAT, 0, 1),
                       records::nat(NFT_NAT_SNAT, 4),
                       records::reject(NFT_REJECT_ICMPX_UNREACH, 255),
                       records::reject(NFT_REJECT_TCP_RST, 0),
                       records::immediate(1, "00"),
                       records::immediate(2, "00112233445566778899aabbccddeeff")},
                      std::string(63, 'c'));
    CHECK(survives(rule, nftables::unpackRule));
    CHECK(survives(records::rule("x", {}), nftables::unpackRule));
  });
}

// The one expression of a rule, from the payload of its LIST_ELEM's attributes.
Expression read(const char* name, const char* attributes) {
  uint8_t room[512];
  MessageWriter writer(room);
  writer.begin(0, 0, 1);
  writer.header(nfgenmsg{.nfgen_family = NFPROTO_IPV4, .version = 0, .res_id = 0});
  writer.string(NFTA_RULE_TABLE, tableName);
  {
    const MessageWriter::Nest list(writer, NFTA_RULE_EXPRESSIONS);
    const MessageWriter::Nest element(writer, NFTA_LIST_ELEM);
    writer.string(NFTA_EXPR_NAME, name);
    writer.bytes(NFTA_EXPR_DATA, hex(attributes));
  }
  const size_t size = writer.finish();
  Objects objects;
  const Message message{
      .type = 0, .flags = 0, .sequence = 1, .payload = netlink::Bytes(room).subspan(NLMSG_HDRLEN, size - NLMSG_HDRLEN)};
  CHECK(nftables::unpackRule(message, tableName, objects) && objects.size() == 2);
  return objects.size() == 2 ? std::bit_cast<Expression>(objects[1]) : Expression{};
}

void otherTests() {
  test("a table that sleeps says so", [] {
    uint8_t room[512];
    MessageWriter writer(room);
    writer.begin(0, 0, 1);
    writer.header(nfgenmsg{.nfgen_family = NFPROTO_IPV6, .version = 0, .res_id = 0});
    writer.string(NFTA_TABLE_NAME, tableName);
    writer.u32be(NFTA_TABLE_FLAGS, NFT_TABLE_F_DORMANT);
    const size_t size = writer.finish();
    Objects objects;
    CHECK(nftables::unpackTable({.type = 0,
                                 .flags = 0,
                                 .sequence = 1,
                                 .payload = netlink::Bytes(room).subspan(NLMSG_HDRLEN, size - NLMSG_HDRLEN)},
                                tableName, objects));
    CHECK(objects.size() == 1 && std::bit_cast<nftables::Table>(objects[0]).flags == NFT_TABLE_F_DORMANT);
  });

  test("a chain that is part of a rule goes with the rule, and is none of the table's", [] {
    const auto chains = [](const char* flags) {
      auto payload = hex("02000000 0e00 0100 6b756265 2d697076 73000000 0d00 0300 5f5f6368 61696e30 00000000");
      const auto rest = hex(flags);
      payload.insert(payload.end(), rest.begin(), rest.end());
      Objects objects;
      CHECK(nftables::unpackChain({.type = 0, .flags = 0, .sequence = 1, .payload = payload}, tableName, objects));
      return objects.size();
    };
    CHECK(chains("") == 1 && chains("0800 0a00 00000001") == 1 && chains("0800 0a00 00000004") == 0);
  });

  test("an expression is another one if an attribute is missing, strange, too wide or unknown", [] {
    const auto other = [](const char* name, const char* attributes) {
      const Expression step = read(name, attributes);
      return step.expression == ExpressionKind::other && text(step.name) == name && step.key == 0 && step.length == 0;
    };
    CHECK(read("meta", "0800 0200 00000003 0800 0100 00000001").expression == ExpressionKind::meta);
    CHECK(other("meta", "0800 0100 00000001"));
    CHECK(other("meta", "0800 0200 00000003 0800 0100 00000101"));
    CHECK(other("meta", "0800 0200 00000003 0800 0100 00000001 0800 6300 00000001"));
    CHECK(other("meta", "0600 0200 0003 0000 0800 0100 00000001"));
    CHECK(other("meta", "0800 0200 00000003 ff00 0100 00000001"));
    CHECK(other("lookup", "0600 0100 6d000000 0800 0200 00000001 0800 0500 00000000 0800 0300 00000000"));
    CHECK(other("lookup",
                "2800 0100 78787878 78787878 78787878 78787878 78787878 78787878 78787878 78787878 00000000 "
                "0800 0200 00000001 0800 0500 00000000"));
    CHECK(other("cmp",
                "0800 0100 00000001 0800 0200 00000000 1c00 0380 1800 0100 "
                "00000000 00000000 00000000 00000000 00000000"));
    CHECK(other("bitwise",
                "0800 0100 00000001 0800 0200 00000001 0800 0300 00000004 0800 0600 00000001 "
                "0c00 0780 0800 0100 00000002"));
    CHECK(other("bitwise",
                "0800 0100 00000001 0800 0200 00000001 0800 0300 00000004 0800 0600 00000000 "
                "0c00 0480 0800 0100 00000002 0a00 0580 0600 0100 0000 0000"));
    CHECK(other("immediate", "0800 0100 00000000 1000 0280 0c00 0280 0800 0300 00000001"));
    CHECK(other("ct", "0800 0200 00000003 0800 0400 00000001"));
    CHECK(other("nat", "0800 0100 00000001"));
    CHECK(other("reject", "0800 0100 00000000"));
    CHECK(other("counter", "0c00 0100 00000000 00000000"));
    CHECK(other("", ""));
  });

  test("a value's length is its own; a highest that is the lowest is none", [] {
    CHECK(read("immediate", "0800 0100 00000001 0a00 0280 0600 0100 0102 0000").length == 2);
    const Expression nat = read("nat", R"(
      0800 0100 00000001 0800 0200 00000002 0800 0300 00000001 0800 0400 00000001
      0800 0500 00000009 0800 0600 00000009 0800 0700 00000003)");
    CHECK(nat.expression == ExpressionKind::nat && nat.source == 1 && nat.source2 == 0);
    CHECK(nat.source3 == 9 && nat.source4 == 0 && nat.flags == 0);
    CHECK(read("masq", "").expression == ExpressionKind::masquerade);
  });

  test("user data that is no comment of libnftnl's form is no comment", [] {
    const auto commentOf = [](const char* data) {
      const auto payload = hex(data);
      uint8_t room[512];
      MessageWriter writer(room);
      writer.begin(0, 0, 1);
      writer.header(nfgenmsg{});
      writer.string(NFTA_RULE_TABLE, tableName);
      writer.bytes(NFTA_RULE_USERDATA, payload);
      const size_t size = writer.finish();
      Objects objects;
      const Message message{.type = 0,
                            .flags = 0,
                            .sequence = 1,
                            .payload = netlink::Bytes(room).subspan(NLMSG_HDRLEN, size - NLMSG_HDRLEN)};
      CHECK(nftables::unpackRule(message, tableName, objects) && objects.size() == 1);
      return text(std::bit_cast<Rule>(objects.at(0)).comment);
    };
    CHECK(commentOf("0002 6100") == "a" && commentOf("0001 61") == "a");
    CHECK(commentOf("0104 01020304 0002 6200") == "b");
    CHECK(commentOf("0003 6100").empty() && commentOf("00").empty() && commentOf("").empty());
    const std::string most = commentOf(
        "0046 "
        "61616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161"
        "61"
        "616161616161616161616161616100");
    CHECK(most == std::string(63, 'a'));
  });
}

void refusalTests() {
  test("messages shorter than their header, and attributes that lie about their length, are refused", [] {
    const auto message = [](const std::vector<uint8_t>& payload) {
      return Message{.type = 0, .flags = 0, .sequence = 0, .payload = payload};
    };
    const auto brief = hex("0200");
    const auto cut = hex("02000000 ff00 0100 6b756265");
    const Unpack all[] = {nftables::unpackTable, nftables::unpackChain, nftables::unpackSet, nftables::unpackRule};
    for (const Unpack unpack : all) {
      Objects objects;
      CHECK(!unpack(message(brief), tableName, objects) && !unpack(message(cut), tableName, objects));
      CHECK(objects.empty());
    }
    Objects objects;
    const auto hook = hex("02000000 0e00 0100 6b756265 2d697076 73000000 0c00 0480 0600 0100 0000 0000");
    CHECK(!nftables::unpackChain(message(hook), tableName, objects));
    const auto field = hex("02000000 1400 0980 1000 0280 0c00 0180 0600 0100 0004 0000");
    CHECK(!nftables::unpackSet(message(field), tableName, objects));
    const auto list = hex("02000000 0c00 0480 ff00 0180 00000000");
    CHECK(!nftables::unpackRule(message(list), tableName, objects));
    uint32_t generation = 0;
    CHECK(!nftables::unpackGeneration(message(brief), generation));
    CHECK(!nftables::unpackGeneration(message(hex("00000000")), generation));
    CHECK(!nftables::unpackGeneration(message(hex("00000000 0600 0100 0001 0000")), generation));
    const auto good = hex("00000000 0800 0100 00000102");
    CHECK(nftables::unpackGeneration(message(good), generation) && generation == 258);
  });
}

}  // namespace

int main() {
  recordingTests();
  roundTripTests();
  otherTests();
  refusalTests();
  return check::finish();
}
