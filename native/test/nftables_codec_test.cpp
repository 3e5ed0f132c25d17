// The bytes are those that nft 1.0.6 sends for the same (`nft --debug=mnl`), without what it adds for its own use.

#include "../families/nftables_codec.h"

#include <linux/netfilter/nf_nat.h>

#include "check.h"
#include "nftables_records.h"
#include "recording.h"

using check::hex;
using check::same;
using check::test;
using netlink::Message;
using netlink::MessageWriter;
using nftables::Object;
using records::ChainType;
using records::Kind;
using records::Objects;
using records::Verb;

namespace {

constexpr const char* tableName = "kube-ipvs";

template <class Record>
Objects one(const Record& record) {
  return {std::bit_cast<Object>(record)};
}

std::vector<uint8_t> packed(const Objects& ops) {
  std::vector<uint8_t> room(roomOf(ops.front()));
  MessageWriter writer(room);
  writer.begin(0, 0, 1);
  packObject(writer, tableName, ops, 7);
  const size_t size = writer.finish();
  return {room.begin() + NLMSG_HDRLEN, room.begin() + static_cast<ptrdiff_t>(size)};
}

bool commanded(const Objects& ops, uint8_t message, uint16_t flags) {
  const nftables::Command command = commandOf(ops.front());
  return command.type == (10 << 8 | message) && command.flags == flags;
}

void objectTests() {
  test("a table is its name", [] {
    Objects table = {records::table()};
    CHECK(commanded(table, 0, NLM_F_CREATE));
    CHECK(same(packed(table), hex("02000000 0e00 0100 6b756265 2d697076 73000000")));
    table[0].verb = Verb::remove;
    table[0].family = 6;
    CHECK(commanded(table, 2, 0));
    CHECK(same(packed(table), hex("0a000000 0e00 0100 6b756265 2d697076 73000000")));
  });

  test("a base chain has type, policy, hook and priority", [] {
    nftables::Chain chain = records::chain("in", ChainType::filter);
    chain.hook = NF_INET_LOCAL_IN;
    chain.policy = NF_DROP;
    chain.priority = -5;
    CHECK(commanded(one(chain), 3, NLM_F_CREATE));
    CHECK(same(packed(one(chain)), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0700 0300 696e0000
      0b00 0700 66696c74 65720000               | "filter"
      0800 0500 00000000                        | drop
      1400 0480
        0800 0100 00000001                      | input
        0800 0200 fffffffb)")));
    chain = records::chain("pre", ChainType::nat);
    chain.hook = NF_INET_PRE_ROUTING;
    chain.policy = NF_ACCEPT;
    chain.priority = -100;
    CHECK(same(packed(one(chain)), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0800 0300 70726500
      0800 0700 6e617400                        | "nat"
      0800 0500 00000001                        | accept
      1400 0480
        0800 0100 00000000                      | prerouting
        0800 0200 ffffff9c)")));
  });

  test("a regular chain is its name, and so is one that is deleted", [] {
    nftables::Chain chain = records::chain("marks");
    const auto named = hex("02000000 0e00 0100 6b756265 2d697076 73000000 0a00 0300 6d61726b 73000000");
    CHECK(same(packed(one(chain)), named));
    chain.verb = Verb::remove;
    chain.type = ChainType::nat;
    CHECK(commanded(one(chain), 5, 0) && same(packed(one(chain)), named));
  });

  test("an edit of a chain deletes its rules: a rule of it, not said which", [] {
    nftables::Chain chain = records::chain("pre");
    chain.verb = Verb::edit;
    CHECK(commanded(one(chain), 8, 0));
    CHECK(same(packed(one(chain)), hex("02000000 0e00 0100 6b756265 2d697076 73000000 0800 0200 70726500")));
  });

  test("a map of concatenations has lengths of both, and no fields", [] {
    nftables::Set map = records::set("m", 0x730d, 12);
    map.flags = NFT_SET_MAP;
    map.dataType = 0x1cd;
    map.dataLength = 8;
    CHECK(commanded(one(map), 9, NLM_F_CREATE));
    CHECK(same(packed(one(map)), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 6d000000
      0800 0300 00000008                        | map
      0800 0400 0000730d                        | ipv4_addr . inet_proto . inet_service
      0800 0500 0000000c
      0800 0600 000001cd                        | ipv4_addr . inet_service
      0800 0700 00000008
      0800 0a00 00000007                        | its number in the transaction)")));
    map.verb = Verb::remove;
    CHECK(commanded(one(map), 11, 0));
    CHECK(same(packed(one(map)), hex("02000000 0e00 0100 6b756265 2d697076 73000000 0600 0200 6d000000")));
  });

  test("a set of concatenated intervals has the true length of each field", [] {
    nftables::Set set = records::set("r", 0x1cc347, 16);
    set.flags = NFT_SET_INTERVAL | NFT_SET_CONCAT;
    records::writeBytes(set.fieldLengths, "04010204");
    CHECK(same(packed(one(set)), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 72000000
      0800 0300 00000084
      0800 0400 001cc347
      0800 0500 00000010
      0800 0a00 00000007
      3800 0980
        3400 0280
          0c00 0180
            0800 0100 00000004
          0c00 0180
            0800 0100 00000001
          0c00 0180
            0800 0100 00000002
          0c00 0180
            0800 0100 00000004)")));
  });

  test("interface names and marks are said to be in this machine's byte order", [] {
    CHECK(same(packed(one(records::set("i", 41, 16))), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 69000000
      0800 0300 00000000
      0800 0400 00000029
      0800 0500 00000010
      0800 0a00 00000007
      0a00 0d00 00040100 00000000)")));
  });
}

void ruleTests() {
  test("a rule has its steps and its comment", [] {
    const Objects rule = records::rule("in",
                                       {
                                           records::ct(NFT_CT_STATE, 255, 1),
                                           records::bitwise(1, 1, "08000000", "00000000"),
                                           records::cmp(1, NFT_CMP_NEQ, "00000000"),
                                           records::meta(NFT_META_IIFNAME, 1),
                                           records::cmp(1, NFT_CMP_EQ, "616263"),
                                           records::verdict(NFT_JUMP, "marks"),
                                       },
                                       "new");
    CHECK(commanded(rule, 6, NLM_F_CREATE | NLM_F_APPEND));
    CHECK(same(packed(rule), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0700 0200 696e0000
      2801 0480
        2000 0180
          0700 0100 63740000                    | "ct"
          1400 0280
            0800 0200 00000000                  | state
            0800 0100 00000001
        4c00 0180
          0c00 0100 62697477 69736500           | "bitwise"
          3c00 0280
            0800 0100 00000001
            0800 0200 00000001
            0800 0600 00000000                  | mask and exclusive or
            0800 0300 00000004
            0c00 0480
              0800 0100 08000000
            0c00 0580
              0800 0100 00000000
        2c00 0180
          0800 0100 636d7000                    | "cmp"
          2000 0280
            0800 0100 00000001
            0800 0200 00000001                  | not equal
            0c00 0380
              0800 0100 00000000
        2400 0180
          0900 0100 6d657461 00000000           | "meta"
          1400 0280
            0800 0200 00000006                  | iifname
            0800 0100 00000001
        2c00 0180
          0800 0100 636d7000
          2000 0280
            0800 0100 00000001
            0800 0200 00000000
            0c00 0380
              0700 0100 61626300                | the first three characters
        3c00 0180
          0e00 0100 696d6d65 64696174 65000000  | "immediate"
          2800 0280
            0800 0100 00000000                  | verdict
            1c00 0280
              1800 0280
                0800 0100 fffffffd              | jump
                0a00 0200 6d61726b 73000000
      0a00 0700 00046e65 77000000               | comment)")));
  });

  test("a mark is loaded, changed and stored", [] {
    const Objects rule = records::rule("marks", {
                                                    records::meta(NFT_META_MARK, 1),
                                                    records::bitwise(1, 1, "ffbfffff", "00400000"),
                                                    records::meta(NFT_META_MARK, 0, 1),
                                                    records::verdict(NFT_RETURN),
                                                });
    CHECK(same(packed(rule), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0a00 0200 6d61726b 73000000
      c800 0480
        2400 0180
          0900 0100 6d657461 00000000
          1400 0280
            0800 0200 00000003
            0800 0100 00000001
        4c00 0180
          0c00 0100 62697477 69736500
          3c00 0280
            0800 0100 00000001
            0800 0200 00000001
            0800 0600 00000000
            0800 0300 00000004
            0c00 0480
              0800 0100 ffbfffff
            0c00 0580
              0800 0100 00400000
        2400 0180
          0900 0100 6d657461 00000000
          1400 0280
            0800 0200 00000003
            0800 0300 00000001
        3000 0180
          0e00 0100 696d6d65 64696174 65000000
          1c00 0280
            0800 0100 00000000
            1000 0280
              0c00 0280
                0800 0100 fffffffb              | return)")));
  });

  test("a look-up in a map gives what dnat takes", [] {
    const Objects rule = records::rule("pre", {
                                                  records::payload(NFT_PAYLOAD_NETWORK_HEADER, 16, 4, 1),
                                                  records::meta(NFT_META_L4PROTO, 9),
                                                  records::payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, 10),
                                                  records::lookup(1, "m", 1),
                                                  records::nat(NFT_NAT_DNAT, 1, 9),
                                              });
    CHECK(same(packed(rule), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0800 0200 70726500
      f400 0480
        3400 0180
          0c00 0100 7061796c 6f616400           | "payload"
          2400 0280
            0800 0100 00000001
            0800 0200 00000001                  | network header
            0800 0300 00000010
            0800 0400 00000004
        2400 0180
          0900 0100 6d657461 00000000
          1400 0280
            0800 0200 00000010                  | l4proto
            0800 0100 00000009
        3400 0180
          0c00 0100 7061796c 6f616400
          2400 0280
            0800 0100 0000000a
            0800 0200 00000002                  | transport header
            0800 0300 00000002
            0800 0400 00000002
        3400 0180
          0b00 0100 6c6f6f6b 75700000           | "lookup"
          2400 0280
            0800 0200 00000001
            0800 0300 00000001
            0600 0100 6d000000
            0800 0500 00000000                  | flags; nft gives the set's number instead
        3000 0180
          0800 0100 6e617400                    | "nat"
          2400 0280
            0800 0100 00000001                  | destination
            0800 0200 00000002
            0800 0300 00000001
            0800 0500 00000009)")));
  });

  test("snat takes ranges of addresses and ports", [] {
    nftables::Expression nat = records::nat(NFT_NAT_SNAT, 1, 3);
    nat.source2 = 2;
    nat.source4 = 4;
    nat.flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY;
    const Objects rule = records::rule("post", {records::immediate(1, "0a000001"), nat});
    CHECK(same(packed(rule), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0900 0200 706f7374 00000000
      7800 0480
        2c00 0180
          0e00 0100 696d6d65 64696174 65000000
          1800 0280
            0800 0100 00000001
            0c00 0280
              0800 0100 0a000001
        4800 0180
          0800 0100 6e617400
          3c00 0280
            0800 0100 00000000
            0800 0200 00000002
            0800 0300 00000001
            0800 0400 00000002
            0800 0500 00000003
            0800 0600 00000004
            0800 0700 00000010                  | nft adds the 2 that the kernel adds by itself)")));
  });

  test("masquerade, reject and the tuple of a connection", [] {
    nftables::Expression masquerade = records::step(records::ExpressionKind::masquerade);
    masquerade.flags = NF_NAT_RANGE_PROTO_RANDOM_FULLY;
    const Objects rule = records::rule("in", {
                                                 masquerade,
                                                 records::step(records::ExpressionKind::masquerade),
                                                 records::reject(NFT_REJECT_ICMP_UNREACH, 3),
                                                 records::reject(NFT_REJECT_TCP_RST, 0),
                                                 records::ct(NFT_CT_DST_IP, 0, 1),
                                             });
    CHECK(same(packed(rule), hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0700 0200 696e0000
      9c00 0480
        1c00 0180
          0900 0100 6d617371 00000000           | "masq"
          0c00 0280
            0800 0100 00000010
        1400 0180
          0900 0100 6d617371 00000000
          0400 0280
        2400 0180
          0b00 0100 72656a65 63740000           | "reject"
          1400 0280
            0800 0100 00000000
            0500 0200 03000000
        1c00 0180
          0b00 0100 72656a65 63740000
          0c00 0280
            0800 0100 00000001                  | nft adds a code of 0
        2800 0180
          0700 0100 63740000
          1c00 0280
            0800 0200 00000014
            0800 0100 00000001
            0500 0300 00000000                  | original direction)")));
  });

  test("the longest rule has room", [] {
    nftables::Expression longest = records::bitwise(1, 1, "ffffffffffffffffffffffffffffffff", "00");
    Objects rule = records::rule("chain-name-of-31-characters-----", {},
                                 "comment-of-63-characters---------------------------------------");
    for (uint32_t i = 0; i < nftables::mostExpressions; ++i) rule.push_back(std::bit_cast<Object>(longest));
    auto record = std::bit_cast<nftables::Rule>(rule[0]);
    record.chain[31] = '\0';
    record.expressions = nftables::mostExpressions;
    rule[0] = std::bit_cast<Object>(record);
    CHECK(packed(rule).size() > 128 * 100);
  });
}

}  // namespace

int main() {
  objectTests();
  ruleTests();
  return check::finish();
}
