#include "../families/conntrack_codec.h"

#include <netinet/in.h>

#include <algorithm>

#include "check.h"
#include "recording.h"

using check::hex;
using check::same;
using check::test;
using conntrack::Flow;
using conntrack::FlowKey;
using netlink::Message;
using netlink::MessageWriter;

namespace {

FlowKey key(uint8_t family, uint8_t protocol, const char* address, uint16_t port) {
  FlowKey key{};
  key.family = family;
  key.protocol = protocol;
  key.port = port;
  std::ranges::copy(hex(address), key.address);
  return key;
}

std::vector<uint8_t> query(const FlowKey& filter) {
  uint8_t room[512];
  MessageWriter writer(room);
  writer.begin(conntrack::getFlows, 0, 1);
  packFlowsQuery(writer, filter);
  const size_t size = writer.finish();
  return {room + NLMSG_HDRLEN, room + size};
}

std::vector<uint8_t> deletion(const Flow& flow) {
  uint8_t room[512];
  MessageWriter writer(room);
  writer.begin(conntrack::deleteFlow, 0, 1);
  packDeletion(writer, flow);
  const size_t size = writer.finish();
  return {room + NLMSG_HDRLEN, room + size};
}

constexpr const char* address6 = "fd000096 00000000 00000000 00000010";

void packingTests() {
  test("message types are those of the conntrack subsystem",
       [] { CHECK(conntrack::newFlow == 0x0100 && conntrack::getFlows == 0x0101 && conntrack::deleteFlow == 0x0102); });

  test("an IPv4 key is compared by address, protocol and port", [] {
    CHECK(same(query(filterOf(key(4, IPPROTO_UDP, "0a60000a", 53))), hex(R"(
      02 00 0000                      | AF_INET, version 0
      2400 0180                       | TUPLE_ORIG
        0c00 0180                     | IP
          0800 0200 0a60000a          | V4_DST
        1400 0280                     | PROTO
          0500 0100 11000000          | NUM
          0600 0300 00350000          | DST_PORT
      0c00 1980                       | FILTER
        0800 0100 2a000000            | ORIG_FLAGS: IP_DST, PROTO_NUM, PROTO_DST_PORT)")));
  });

  test("an IPv6 key is compared by protocol and port alone", [] {
    CHECK(same(query(filterOf(key(6, IPPROTO_TCP, address6, 443))), hex(R"(
      0a 00 0000
      1800 0180 1400 0280 0500 0100 06000000 0600 0300 01bb0000
      0c00 1980 0800 0100 28000000)")));
  });

  test("an SCTP key is compared by address and protocol alone", [] {
    CHECK(same(query(filterOf(key(4, IPPROTO_SCTP, "0a60000b", 132))), hex(R"(
      02 00 0000
      1c00 0180 0c00 0180 0800 0200 0a60000b 0c00 0280 0500 0100 84000000
      0c00 1980 0800 0100 0a000000)")));
  });

  test("without a protocol nothing is left out but the other family", [] {
    CHECK(same(query(key(4, 0, "", 0)), hex("02 00 0000")));
    CHECK(same(query(key(6, 0, "", 0)), hex("0a 00 0000")));
  });

  // The tuple as conntrack(8) 1.4.7 sends it for `-D -p udp -s 10.1.0.7 -d 10.96.0.10 --sport 40000 --dport 53 -w 7`.
  test("a deletion names tuple, zone and id", [] {
    Flow flow{};
    flow.family = 4;
    flow.protocol = IPPROTO_UDP;
    flow.zone = 7;
    flow.id = 0x95861d0c;
    flow.originalSourcePort = 40000;
    flow.originalDestinationPort = 53;
    std::ranges::copy(hex("0a010007"), flow.originalSource);
    std::ranges::copy(hex("0a60000a"), flow.originalDestination);
    CHECK(same(deletion(flow), hex(R"(
      02 00 0000
      3400 0180
        1400 0180 0800 0100 0a010007 0800 0200 0a60000a
        1c00 0280 0500 0100 11000000 0600 0200 9c400000 0600 0300 00350000
      0600 1200 00070000          | ZONE
      0800 0c00 95861d0c          | ID)")));
    flow.zone = 0;
    CHECK(deletion(flow).size() == 4 + 52 + 8);
  });

  test("a deletion in IPv6 has addresses of sixteen bytes", [] {
    Flow flow{};
    flow.family = 6;
    flow.protocol = IPPROTO_TCP;
    flow.id = 1;
    flow.originalSourcePort = 40000;
    flow.originalDestinationPort = 443;
    std::ranges::copy(hex("fd000000 00000000 00000000 00000007"), flow.originalSource);
    std::ranges::copy(hex(address6), flow.originalDestination);
    CHECK(same(deletion(flow), hex(R"(
      0a 00 0000
      4c00 0180
        2c00 0180 1400 0300 fd000000 00000000 00000000 00000007 1400 0400 fd000096 00000000 00000000 00000010
        1c00 0280 0500 0100 06000000 0600 0200 9c400000 0600 0300 01bb0000
      0800 0c00 00000001)")));
  });
}

std::vector<Flow> recorded(const char* name) {
  std::vector<Flow> flows;
  recording::eachMessage(name, [&](const Message& message) {
    flows.emplace_back();
    CHECK(unpackFlow(message, flows.back()));
  });
  return flows;
}

template <class Match>
const Flow* find(const std::vector<Flow>& flows, Match&& match) {
  const auto found = std::ranges::find_if(flows, match);
  return found == flows.end() ? nullptr : &*found;
}

void recordingTests() {
  test("recorded IPv4 flows are read in both directions", [] {
    const auto flows = recorded("conntrack_flow/flows-v4");
    CHECK(flows.size() == 6);
    const Flow* translated = find(flows, [](const Flow& flow) { return flow.replySourcePort == 5353; });
    CHECK(translated != nullptr && translated->family == 4 && translated->protocol == IPPROTO_UDP);
    CHECK(translated != nullptr && translated->id == 0xfdeade15 && translated->status == 0x1a8);
    CHECK(translated != nullptr &&
          same(netlink::Bytes(translated->originalSource), hex("0a010007 00000000 00000000 00000000")));
    CHECK(translated != nullptr &&
          same(netlink::Bytes(translated->originalDestination), hex("0a60000a 00000000 00000000 00000000")));
    CHECK(translated != nullptr &&
          same(netlink::Bytes(translated->replySource), hex("0af40107 00000000 00000000 00000000")));
    CHECK(translated != nullptr &&
          same(netlink::Bytes(translated->replyDestination), hex("0a010007 00000000 00000000 00000000")));
    CHECK(translated != nullptr && translated->originalSourcePort == 40000 &&
          translated->originalDestinationPort == 53);
    CHECK(translated != nullptr && translated->replyDestinationPort == 40000 && translated->zone == 0);
  });

  test("recorded zones are those of the original direction, marks and status are read", [] {
    const auto flows = recorded("conntrack_flow/flows-v4");
    const Flow* both = find(flows, [](const Flow& flow) { return flow.zone == 7; });
    CHECK(both != nullptr && both->mark == 0x4000 && both->status == 0x0e && both->originalSourcePort == 40001);
    const Flow* one = find(flows, [](const Flow& flow) { return flow.zone == 9; });
    CHECK(one != nullptr && one->originalSource[3] == 8);
  });

  test("recorded flows of other protocols are read, ICMP without ports", [] {
    const auto flows = recorded("conntrack_flow/flows-v4");
    const Flow* sctp = find(flows, [](const Flow& flow) { return flow.protocol == IPPROTO_SCTP; });
    const Flow* icmp = find(flows, [](const Flow& flow) { return flow.protocol == IPPROTO_ICMP; });
    CHECK(sctp != nullptr && sctp->originalDestinationPort == 132);
    CHECK(icmp != nullptr && icmp->originalSourcePort == 0 && icmp->originalDestinationPort == 0);
  });

  test("recorded IPv6 flows are read", [] {
    const auto flows = recorded("conntrack_flow/flows-v6");
    CHECK(flows.size() == 2);
    const Flow* udp = find(flows, [](const Flow& flow) { return flow.protocol == IPPROTO_UDP; });
    CHECK(udp != nullptr && udp->family == 6 && udp->replySourcePort == 5353);
    CHECK(udp != nullptr && same(netlink::Bytes(udp->originalDestination), hex("fd000096 00000000 00000000 00000010")));
    CHECK(udp != nullptr && same(netlink::Bytes(udp->replySource), hex("fd000244 00000000 00000000 00000007")));
  });

  test("a kernel that filters sends but what was asked for, and refuses flags it does not know", [] {
    const auto flows = recorded("conntrack_flow/flows-filtered");
    const FlowKey wanted = key(4, IPPROTO_UDP, "0a60000a", 53);
    CHECK(flows.size() == 3 && std::ranges::all_of(flows, [&](const Flow& flow) { return keyOf(flow) == wanted; }));
    const auto refusal = recording::datagrams("message/refused-filter");
    CHECK(refusal.size() == 1 && netlink::load<int32_t>(refusal[0].data() + NLMSG_HDRLEN) == -EINVAL);
  });

  test("a flow that was read is deleted by the very tuple the kernel sent", [] {
    recording::eachMessage("conntrack_flow/flows-v6", [](const Message& message) {
      Flow flow;
      CHECK(unpackFlow(message, flow));
      const auto sent = message.payload.subspan(4, 4 + 0x48);
      const auto packed = deletion(flow);
      CHECK(same(netlink::Bytes(packed).subspan(4, 4 + 0x48), {sent.begin(), sent.end()}));
    });
  });
}

Message flowMessage(const std::vector<uint8_t>& payload) {
  return {.type = conntrack::newFlow, .flags = 0, .sequence = 0, .payload = payload};
}

void refusalTests() {
  test("a flow without an original direction, and one of the wrong type or length, is refused", [] {
    Flow flow;
    const auto empty = hex("02000000");
    const auto brief = hex("0200");
    const auto protocol = hex("02000000 1000 0180 0c00 0280 0500 0100 11000000");
    CHECK(!unpackFlow(flowMessage(empty), flow));
    CHECK(!unpackFlow(flowMessage(brief), flow));
    CHECK(unpackFlow(flowMessage(protocol), flow) && flow.protocol == 17);
    Message other = flowMessage(protocol);
    other.type = conntrack::deleteFlow;
    CHECK(!unpackFlow(other, flow));
  });

  test("wrong widths are refused, however deep", [] {
    Flow flow;
    for (const char* payload : {
             "02000000 1400 0180 1000 0180 0c00 0100 0a010007 00000000 | a V4_SRC of eight bytes",
             "02000000 1000 0180 0c00 0180 0800 0400 0a010007          | a V6_DST of four",
             "02000000 1000 0180 0c00 0280 0800 0100 11000000          | a NUM of four",
             "02000000 1000 0180 0c00 0280 0500 0300 35000000          | a DST_PORT of one",
             "02000000 0c00 0180 0500 0300 07000000                    | a TUPLE_ZONE of one",
             "02000000 1000 0180 0c00 0280 0500 0100 11000000 0600 0c00 00010000 | an ID of two",
             "02000000 1000 0180 0c00 0280 ff00 0100 11000000          | a length beyond its nest",
         }) {
      CHECK(!unpackFlow(flowMessage(hex(payload)), flow));
    }
  });

  test("a protocol of number 0 is a protocol like any other", [] {
    Flow flow;
    CHECK(unpackFlow(flowMessage(hex("02000000 1000 0180 0c00 0280 0500 0100 00000000")), flow) && flow.protocol == 0);
  });

  test("a family that is neither is read as none", [] {
    Flow flow;
    CHECK(unpackFlow(flowMessage(hex("07000000")), flow) && flow.family == 0);
  });
}

void violationTests() {
  test("a key or flow of another family or of a protocol without ports is refused", [] {
    const auto field = [](const auto& violation) { return std::string_view(violation ? violation->field : ""); };
    Flow flow{};
    flow.family = 6;
    for (const uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP}) {
      flow.protocol = protocol;
      CHECK(!violationOf(flow) && !keyViolationOf(keyOf(flow)));
    }
    flow.protocol = IPPROTO_ICMP;
    CHECK(field(violationOf(flow)) == "protocol" && field(keyViolationOf(keyOf(flow))) == "protocol");
    flow.protocol = IPPROTO_UDP;
    flow.family = 2;
    CHECK(field(violationOf(flow)) == "family" && field(keyViolationOf(keyOf(flow))) == "family");
  });
}

}  // namespace

int main() {
  packingTests();
  recordingTests();
  refusalTests();
  violationTests();
  return check::finish();
}
