#include "../families/ipvs_codec.h"

#include <linux/ip_vs.h>
#include <netinet/in.h>
#include <algorithm>

#include "check.h"
#include "recording.h"

using check::hex;
using check::same;
using check::test;
using ipvs::Entry;
using ipvs::Kind;
using ipvs::Op;
using ipvs::Verb;
using netlink::Message;
using netlink::MessageWriter;

namespace {

Op service(Verb verb) {
  Op op{};
  op.verb = verb;
  op.kind = Kind::service;
  op.family = 4;
  op.protocol = IPPROTO_TCP;
  op.port = 443;
  std::ranges::copy(hex("0a600001"), op.address);
  op.flags = IP_VS_SVC_F_PERSISTENT;
  op.timeout = 10'800;
  op.netmask = 0xffffffff;
  std::memcpy(op.scheduler, "wrr", 3);
  return op;
}

Op destination(Verb verb) {
  Op op = service(verb);
  op.kind = Kind::destination;
  op.destinationPort = 6443;
  std::ranges::copy(hex("0af40107"), op.destinationAddress);
  op.weight = 3;
  op.forwarding = IP_VS_CONN_F_DROUTE;
  op.upperThreshold = 100;
  return op;
}

// The payload of a packed message, without nlmsghdr.
template <class Pack>
std::vector<uint8_t> packed(Pack&& pack) {
  uint8_t room[512];
  MessageWriter writer(room);
  writer.begin(0x20, 0, 1);
  pack(writer);
  const size_t size = writer.finish();
  return size < NLMSG_HDRLEN ? std::vector<uint8_t>{} : std::vector<uint8_t>(room + NLMSG_HDRLEN, room + size);
}

// A request read back as if it were the reply to a GET: the attributes are the same.
Message reply(const std::vector<uint8_t>& payload) {
  return {.type = 0x20, .flags = 0, .sequence = 1, .payload = payload};
}

std::string text(const char (&padded)[16]) {
  return {padded, strnlen(padded, sizeof padded)};
}

const char* identity = R"(
  3000 0180                                          | SERVICE
    0600 0100 02000000                               | AF_INET
    0600 0200 06000000                               | TCP
    1400 0300 0a600001 00000000 00000000 00000000    | 10.96.0.1
    0600 0400 01bb0000                               | 443)";

void packingTests() {
  test("a new service is packed with identity and configuration", [] {
    const auto bytes = packed([](MessageWriter& writer) { packOp(writer, service(Verb::add)); });
    CHECK(same(bytes, hex(R"(
      01 01 0000                                         | NEW_SERVICE, version 1
      5400 0180                                          | SERVICE
        0600 0100 02000000 0600 0200 06000000
        1400 0300 0a600001 00000000 00000000 00000000
        0600 0400 01bb0000
        0800 0600 77727200                               | "wrr"
        0c00 0700 01000000 ffffffff                      | flags, mask
        0800 0800 302a0000                               | 10 800 s
        0800 0900 ffffffff                               | netmask)")));
  });

  test("a service is edited by command 2 and deleted by its identity alone", [] {
    const auto edit = packed([](MessageWriter& writer) { packOp(writer, service(Verb::edit)); });
    const auto add = packed([](MessageWriter& writer) { packOp(writer, service(Verb::add)); });
    CHECK(edit[0] == IPVS_CMD_SET_SERVICE && std::equal(edit.begin() + 1, edit.end(), add.begin() + 1));
    const auto remove = packed([](MessageWriter& writer) { packOp(writer, service(Verb::remove)); });
    auto expected = hex("03010000");
    std::ranges::copy(hex(identity), std::back_inserter(expected));
    CHECK(same(remove, expected));
  });

  test("a new destination is packed behind its service's identity", [] {
    auto expected = hex("05010000");
    std::ranges::copy(hex(identity), std::back_inserter(expected));
    std::ranges::copy(hex(R"(
      4800 0280                                          | DEST
        1400 0100 0af40107 00000000 00000000 00000000    | 10.244.1.7
        0600 0200 192b0000                               | 6443
        0600 0b00 02000000                               | AF_INET, the service's
        0800 0300 03000000                               | direct route
        0800 0400 03000000                               | weight
        0800 0500 64000000                               | upper threshold
        0800 0600 00000000                               | lower threshold)"),
                      std::back_inserter(expected));
    CHECK(same(packed([](MessageWriter& writer) { packOp(writer, destination(Verb::add)); }), expected));
  });

  test("a destination is deleted by its identity alone", [] {
    const auto bytes = packed([](MessageWriter& writer) { packOp(writer, destination(Verb::remove)); });
    CHECK(bytes[0] == IPVS_CMD_DEL_DEST && bytes.size() == 4 + 48 + 40);
  });

  test("a destination may be of another family than its service", [] {
    Op op = destination(Verb::add);
    op.destinationFamily = 6;
    Entry entry;
    const auto bytes = packed([&](MessageWriter& writer) { packOp(writer, op); });
    CHECK(unpackDestination(reply(bytes), op, entry) && entry.op.family == 4 && entry.op.destinationFamily == 6);
  });
}

void roundTripTests() {
  test("unpacking a packed service gives it back", [] {
    for (const uint8_t family : {uint8_t{4}, uint8_t{6}}) {
      for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP}) {
        Op op = service(Verb::add);
        op.family = family;
        op.protocol = static_cast<uint8_t>(protocol);
        op.port = 65'535;
        Entry entry;
        const auto bytes = packed([&](MessageWriter& writer) { packOp(writer, op); });
        CHECK(unpackService(reply(bytes), entry));
        op.verb = Verb::none;
        CHECK(std::memcmp(&entry.op, &op, sizeof op) == 0 && entry.fwmark == 0);
      }
    }
  });

  test("unpacking a packed destination gives it back, with its service's identity", [] {
    Op op = destination(Verb::add);
    Entry entry;
    const auto bytes = packed([&](MessageWriter& writer) { packOp(writer, op); });
    CHECK(unpackDestination(reply(bytes), op, entry));
    Op expected = op;
    expected.verb = Verb::none;
    expected.destinationFamily = 4;
    expected.flags = expected.timeout = expected.netmask = 0;
    std::memset(expected.scheduler, 0, sizeof expected.scheduler);
    CHECK(std::memcmp(&entry.op, &expected, sizeof expected) == 0);
  });

  test("unpacking packed timeouts gives them back", [] {
    const auto bytes = packed([](MessageWriter& writer) { ipvs::packTimeouts(writer, {900, 120, 300}); });
    ipvs::Timeouts timeouts{};
    CHECK(unpackTimeouts(reply(bytes), timeouts));
    CHECK(timeouts.tcp == 900 && timeouts.tcpFin == 120 && timeouts.udp == 300);
  });
}

// What the kernel says of 10.96.0.1:443/TCP: counters in 32 bits, then in 64 among rates.
const char* counted = R"(
  01010000 c000 0180                                 | NEW_SERVICE, SERVICE
    0600 0100 02000000 0600 0200 06000000
    1400 0300 0a600001 00000000 00000000 00000000
    0600 0400 01bb0000
    0800 0600 77727200                               | "wrr"
    3c00 0a00                                        | STATS
      0800 0100 07000000 0800 0200 07000000 0800 0300 07000000
      0c00 0400 07000000 00000000 0c00 0500 07000000 00000000
      0800 0600 07000000
    4c00 0c00                                        | STATS64
      0c00 0100 01000000 01000000                    | 2^32 + 1 connections
      0c00 0200 02000000 00000000                    | packets in
      0c00 0300 03000000 00000000                    | packets out
      0c00 0400 04000000 00000000                    | bytes in
      0c00 0500 ffffffff ffffffff                    | bytes out
      0c00 0600 07000000 00000000)";  // a rate

void trafficTests() {
  test("the 64-bit counters of a service are read with its identity", [] {
    ipvs::Traffic traffic;
    CHECK(unpackTraffic(reply(hex(counted)), traffic));
    CHECK(traffic.family == 4 && traffic.protocol == IPPROTO_TCP && traffic.port == 443 && traffic.fwmark == 0);
    CHECK(same(traffic.address, hex("0a600001 00000000 00000000 00000000")));
    CHECK(traffic.connections == 0x1'0000'0001 && traffic.incomingPackets == 2 && traffic.outgoingPackets == 3);
    CHECK(traffic.incomingBytes == 4 && traffic.outgoingBytes == ~uint64_t{0});
  });

  test("counters that are missing, cut or of another width are refused, not taken for zero", [] {
    ipvs::Traffic traffic;
    const auto with = [&](size_t at, uint8_t byte) {
      auto bytes = hex(counted);
      bytes[at] = byte;
      return unpackTraffic(reply(bytes), traffic);
    };
    const size_t nest = hex(counted).size() - 76;
    CHECK(with(nest, 0x4c) && !with(nest + 2, 0x0d));             // no STATS64
    CHECK(!with(nest, 0x40 - 12) && with(nest, 0x40));            // four counters; five, and no rate
    CHECK(!with(nest + 4 + 2, 6));                                // one of them is none
    CHECK(!with(nest + 4, 8) && !with(nest + 4, 0x60));           // 4 bytes, and more than there is
    CHECK(!with(0, IPVS_CMD_NEW_DEST) && !with(8 + 4, AF_UNIX));  // another message, another family
  });

  test("a recorded dump tells what went through", [] {
    std::vector<ipvs::Traffic> found;
    recording::eachMessage("ipvs_traffic/traffic", [&](const Message& message) {
      found.emplace_back();
      CHECK(unpackTraffic(message, found.back()));
    });
    CHECK(found.size() == 8);
    std::erase_if(found, [](const ipvs::Traffic& traffic) { return traffic.connections == 0; });
    std::ranges::sort(found, {}, &ipvs::Traffic::family);
    CHECK(found.size() == 2);
    const ipvs::Traffic& four = found.front();
    CHECK(four.port == 53 && four.protocol == IPPROTO_UDP && four.address[1] == 98 && four.connections == 1);
    // 2 datagrams of 128 bytes, and 2 of ICMP: nobody listens
    CHECK(four.incomingPackets == 2 && four.incomingBytes == 256);
    CHECK(four.outgoingPackets == 2 && four.outgoingBytes == 312);
    const ipvs::Traffic& six = found.back();
    CHECK(six.family == 6 && six.incomingPackets == 3 && six.incomingBytes == 444 && six.outgoingBytes == 588);
  });

  test("a service by fwmark has counters and no address", [] {
    int marked = 0;
    recording::eachMessage("ipvs_traffic/traffic", [&](const Message& message) {
      ipvs::Traffic traffic;
      if (unpackTraffic(message, traffic) && traffic.fwmark == 5 && traffic.protocol == 0) ++marked;
    });
    CHECK(marked == 1);
  });
}

std::vector<Entry> recordedServices() {
  std::vector<Entry> entries;
  recording::eachMessage("ipvs_service/services", [&](const Message& message) {
    entries.emplace_back();
    CHECK(unpackService(message, entries.back()));
  });
  return entries;
}

const Entry* find(const std::vector<Entry>& entries, uint8_t protocol, uint16_t port) {
  const auto found = std::ranges::find_if(
      entries, [&](const Entry& entry) { return entry.op.protocol == protocol && entry.op.port == port; });
  return found == entries.end() ? nullptr : &*found;
}

void recordingTests() {
  test("a recorded dump holds the services that native/fuzz/record made", [] {
    const auto entries = recordedServices();
    CHECK(entries.size() == 6);
    const Entry* tcp = find(entries, IPPROTO_TCP, 443);
    CHECK(tcp != nullptr && text(tcp->op.scheduler) == "rr" && tcp->op.family == 4 && tcp->op.timeout == 0);
    CHECK(tcp != nullptr && same(tcp->op.address, hex("0a600001 00000000 00000000 00000000")));
    const Entry* udp = find(entries, IPPROTO_UDP, 53);
    CHECK(udp != nullptr && udp->op.timeout == 10'800 && (udp->op.flags & IP_VS_SVC_F_PERSISTENT) != 0);
    const Entry* sctp = find(entries, IPPROTO_SCTP, 132);
    CHECK(sctp != nullptr && text(sctp->op.scheduler) == "mh");
    CHECK(sctp != nullptr &&
          (sctp->op.flags & (IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2)) == (IP_VS_SVC_F_SCHED1 | IP_VS_SVC_F_SCHED2));
    const Entry* sip = find(entries, IPPROTO_UDP, 5060);
    CHECK(sip != nullptr && text(sip->persistenceEngine) == "sip");
    const Entry* six = find(entries, IPPROTO_TCP, 80);
    CHECK(six != nullptr && six->op.family == 6 && six->op.netmask == 64);
    CHECK(six != nullptr && same(six->op.address, hex("fd000000 00000000 00000000 00000001")));
  });

  test("a service by fwmark has no address, port or protocol", [] {
    const auto entries = recordedServices();
    const Entry* marked = find(entries, 0, 0);
    CHECK(marked != nullptr && marked->fwmark == 5 && text(marked->op.scheduler) == "lblcr" && marked->op.family == 4);
  });

  test("recorded dumps of destinations hold what was made", [] {
    std::vector<Entry> four;
    std::vector<Entry> six;
    const Op key = service(Verb::none);
    const auto into = [&](std::vector<Entry>& entries) {
      return [&](const Message& message) {
        entries.emplace_back();
        CHECK(unpackDestination(message, key, entries.back()));
      };
    };
    recording::eachMessage("ipvs_destination/destinations-v4", into(four));
    recording::eachMessage("ipvs_destination/destinations-v6", into(six));
    CHECK(four.size() == 2 && six.size() == 2);
    for (const Entry& entry : four) {
      const bool first = entry.op.destinationAddress[3] == 7;
      CHECK(entry.op.kind == Kind::destination && entry.op.port == 443);
      // A direct route keeps the port: ipvsadm gives such a destination its service's.
      CHECK(entry.op.destinationPort == (first ? 6443 : 443));
      CHECK(entry.op.weight == (first ? 1 : 0));
      CHECK(entry.op.forwarding == (first ? IP_VS_CONN_F_MASQ : IP_VS_CONN_F_DROUTE));
    }
    for (const Entry& entry : six) {
      const bool tunnel = entry.op.destinationFamily == 4;
      CHECK(entry.op.forwarding == (tunnel ? IP_VS_CONN_F_TUNNEL : IP_VS_CONN_F_MASQ));
      CHECK(entry.op.weight == (tunnel ? 1 : 65'535) && entry.op.upperThreshold == (tunnel ? 0 : 100));
    }
  });

  test("recorded answers hold version and timeouts", [] {
    ipvs::Info info{};
    ipvs::Timeouts timeouts{};
    recording::eachMessage("ipvs_info/info", [&](const Message& message) { CHECK(unpackInfo(message, info)); });
    CHECK(info.version == 0x010201 && info.connectionTableSize == 4096);
    recording::eachMessage("ipvs_timeouts/timeouts",
                           [&](const Message& message) { CHECK(unpackTimeouts(message, timeouts)); });
    CHECK(timeouts.tcp == 900 && timeouts.tcpFin == 120 && timeouts.udp == 300);
  });
}

void refusalTests() {
  test("a reply without the expected nest or command is refused", [] {
    Entry entry;
    CHECK(!unpackService(reply({}), entry));
    CHECK(!unpackService(reply(hex("01010000")), entry));
    const auto bytes = packed([](MessageWriter& writer) { packOp(writer, destination(Verb::add)); });
    CHECK(!unpackService(reply(bytes), entry));
    ipvs::Info info;
    ipvs::Timeouts timeouts;
    CHECK(!unpackInfo(reply(bytes), info) && !unpackTimeouts(reply(bytes), timeouts));
  });

  test("a service of an unknown family, or without any, is refused", [] {
    Entry entry;
    auto bytes = packed([](MessageWriter& writer) { packOp(writer, service(Verb::add)); });
    bytes[12] = 12;
    CHECK(!unpackService(reply(bytes), entry));
    CHECK(!unpackService(reply(hex("01010000 0400 0180")), entry));
  });

  test("an address that is neither 4 nor 16 bytes, and a name without end, are refused", [] {
    Entry entry;
    CHECK(!unpackService(reply(hex("01010000 1800 0180 06000100 02000000 0a000300 0a600001 00000000")), entry));
    CHECK(!unpackService(
        reply(hex("01010000 2000 0180 06000100 02000000 14000600 78787878 78787878 78787878 78787878")), entry));
    CHECK(unpackService(reply(hex("01010000 1c00 0180 06000100 02000000 06000200 06000000 08000300 0a600001")), entry));
  });
}

void violationTests() {
  test("what the kernel may judge is let through", [] {
    CHECK(!violationOf(service(Verb::add)) && !violationOf(destination(Verb::edit)));
    // the reconciler's scheduler probe
    Op probe = service(Verb::add);
    probe.family = 6;
    probe.netmask = 0;
    CHECK(!violationOf(probe));
    Op unscheduled = service(Verb::remove);
    std::memset(unscheduled.scheduler, 0, sizeof unscheduled.scheduler);
    CHECK(!violationOf(unscheduled));
  });

  test("each field that would be sent wrongly is named", [] {
    const auto refused = [](const char* field, Op op, auto&& change) {
      change(op);
      const auto violation = violationOf(op);
      return violation && std::string_view(violation->field) == field;
    };
    const Op add = service(Verb::add);
    const Op real = destination(Verb::add);
    CHECK(refused("verb", add, [](Op& op) { op.verb = Verb::none; }));
    CHECK(refused("verb", add, [](Op& op) { op.verb = static_cast<Verb>(4); }));
    CHECK(refused("kind", add, [](Op& op) { op.kind = static_cast<Kind>(3); }));
    CHECK(refused("family", add, [](Op& op) { op.family = 5; }));
    CHECK(refused("protocol", add, [](Op& op) { op.protocol = 1; }));
    CHECK(refused("scheduler", add, [](Op& op) { op.scheduler[0] = '\0'; }));
    CHECK(refused("scheduler", add, [](Op& op) { std::memset(op.scheduler, 'x', sizeof op.scheduler); }));
    CHECK(refused("forwarding", real, [](Op& op) { op.forwarding = 5; }));
    CHECK(refused("destination family", real, [](Op& op) { op.destinationFamily = 10; }));
    CHECK(identityViolationOf(real).has_value() && !identityViolationOf(service(Verb::none)));
  });
}

}  // namespace

int main() {
  packingTests();
  roundTripTests();
  trafficTests();
  recordingTests();
  refusalTests();
  violationTests();
  return check::finish();
}
