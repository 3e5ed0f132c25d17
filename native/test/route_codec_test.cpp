#include "../families/route_codec.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "../families/route_client.h"
#include "check.h"
#include "recording.h"

using check::hex;
using check::same;
using check::test;
using netlink::Message;
using netlink::MessageWriter;
using route::Event;
using route::Kind;
using route::Link;
using route::Record;
using route::Verb;

namespace {

Record record(Verb verb, Kind kind, uint8_t family) {
  Record op{};
  op.verb = verb;
  op.kind = kind;
  op.family = family;
  if (kind == Kind::link) {
    std::memcpy(op.name, "kube-ipvs0", 10);
  } else {
    op.device = 7;
    op.prefixLength = family == 6 ? 128 : 32;
    std::ranges::copy(family == 6 ? hex("fd000000000000000000000000000001") : hex("0a600001"), op.address);
  }
  return op;
}

std::vector<uint8_t> packed(const Record& op) {
  uint8_t room[512];
  MessageWriter writer(room);
  const route::Command command = commandOf(op);
  writer.begin(command.type, command.flags, 1);
  packOp(writer, op);
  const size_t size = writer.finish();
  return {room + NLMSG_HDRLEN, room + size};
}

std::string text(const char (&padded)[16]) {
  return {padded, strnlen(padded, sizeof padded)};
}

void packingTests() {
  test("a dummy device is made, exclusively, and left down", [] {
    const Record op = record(Verb::add, Kind::link, 0);
    CHECK(commandOf(op).type == RTM_NEWLINK && commandOf(op).flags == (NLM_F_CREATE | NLM_F_EXCL));
    CHECK(same(packed(op), hex(R"(
      00000000 00000000 00000000 00000000   | ifinfomsg: no flags
      0f00 0300 6b7562652d6970767330 0000   | IFNAME "kube-ipvs0"
      1000 1280                             | LINKINFO
        0a00 0100 64756d6d7900 0000         | KIND "dummy")")));
  });

  test("a device is deleted by name", [] {
    const Record op = record(Verb::remove, Kind::link, 0);
    CHECK(commandOf(op).type == RTM_DELLINK && commandOf(op).flags == 0);
    CHECK(same(packed(op), hex("00000000 00000000 00000000 00000000 0f00 0300 6b7562652d6970767330 0000")));
  });

  test("a device is set up, or told to generate no address, by edits of their own", [] {
    Record op = record(Verb::edit, Kind::link, 0);
    op.linkChange = route::LinkChange::up;
    CHECK(commandOf(op).type == RTM_SETLINK && commandOf(op).flags == 0);
    CHECK(same(packed(op), hex(R"(
      00000000 00000000 01000000 01000000   | ifinfomsg: flags up, change up
      0f00 0300 6b7562652d6970767330 0000)")));
    op.linkChange = route::LinkChange::noGeneratedAddress;
    CHECK(same(packed(op), hex(R"(
      00000000 00000000 00000000 00000000
      0f00 0300 6b7562652d6970767330 0000
      1000 1a80                             | AF_SPEC
        0c00 0a80                           | AF_INET6
          0500 0800 01000000                | ADDR_GEN_MODE: none)")));
  });

  test("an IPv4 address is added with its prefix, scope global", [] {
    const Record op = record(Verb::add, Kind::address, 4);
    CHECK(commandOf(op).type == RTM_NEWADDR && commandOf(op).flags == (NLM_F_CREATE | NLM_F_EXCL));
    CHECK(same(packed(op), hex(R"(
      02 20 00 00 07000000          | AF_INET /32 scope 0 device 7
      0800 0200 0a600001            | LOCAL
      0800 0100 0a600001            | ADDRESS)")));
  });

  test("an address that has a peer is deleted by both", [] {
    Record op = record(Verb::remove, Kind::address, 4);
    std::ranges::copy(hex("0a010002"), op.source);
    CHECK(commandOf(op).type == RTM_DELADDR);
    CHECK(same(packed(op), hex("02 20 00 00 07000000 0800 0200 0a600001 0800 0100 0a010002")));
  });

  test("an IPv6 address is added without duplicate detection, and as no source", [] {
    CHECK(same(packed(record(Verb::add, Kind::address, 6)), hex(R"(
      0a 80 00 00 07000000
      1400 0200 fd000000 00000000 00000000 00000001
      1400 0100 fd000000 00000000 00000000 00000001
      0800 0800 02000000            | FLAGS: NODAD
      1400 0600 00000000 ffffffff 00000000 00000000   | CACHEINFO: preferred 0, valid for ever)")));
  });

  test("a local route is of type and table local, static unless it says otherwise", [] {
    Record op = record(Verb::add, Kind::localRoute, 4);
    CHECK(commandOf(op).type == RTM_NEWROUTE && commandOf(op).flags == NLM_F_CREATE);
    CHECK(same(packed(op), hex(R"(
      02 20 00 00 ff 04 fe 02 00000000   | AF_INET /32, table 255, static, scope host, local
      0800 0100 0a600001                 | DST
      0800 0400 07000000                 | OIF)")));
    op.protocol = 99;
    op.prefixLength = 16;
    std::ranges::copy(hex("c0a80001"), op.source);
    CHECK(same(packed(op), hex(R"(
      02 10 00 00 ff 63 fe 02 00000000 0800 0100 0a600001 0800 0400 07000000
      0800 0700 c0a80001                 | PREFSRC)")));
    op.tos = 0x10;
    CHECK(packed(op)[3] == 0x10);
    const Record edit = record(Verb::edit, Kind::localRoute, 4);
    CHECK(commandOf(edit).type == RTM_NEWROUTE && commandOf(edit).flags == NLM_F_REPLACE);
    CHECK(same(packed(edit), packed(record(Verb::add, Kind::localRoute, 4))));
    const Record remove = record(Verb::remove, Kind::localRoute, 6);
    CHECK(commandOf(remove).type == RTM_DELROUTE && packed(remove)[6] == RT_SCOPE_UNIVERSE);
  });
}

std::vector<Record> recorded(const char* name, bool (*unpack)(const Message&, Record&)) {
  std::vector<Record> records;
  recording::eachMessage(name, [&](const Message& message) {
    Record one;
    CHECK(unpack(message, one));
    if (one.family != 0) records.push_back(one);
  });
  return records;
}

const Record* find(const std::vector<Record>& records, const char* address) {
  auto bytes = hex(address);
  bytes.resize(16);
  const auto found =
      std::ranges::find_if(records, [&](const Record& one) { return std::ranges::equal(one.address, bytes); });
  return found == records.end() ? nullptr : &*found;
}

void recordingTests() {
  test("a recorded dump of devices gives names, kinds and states", [] {
    std::vector<Link> links;
    recording::eachMessage("route_link/links", [&](const Message& message) {
      links.emplace_back();
      CHECK(unpackLink(message, links.back()));
    });
    const auto named = [&](const char* name) {
      const auto found = std::ranges::find_if(links, [&](const Link& link) { return text(link.name) == name; });
      return found == links.end() ? nullptr : &*found;
    };
    CHECK(named("lo") != nullptr && named("lo")->loopback && named("lo")->up && text(named("lo")->kind).empty());
    CHECK(named("kube-ipvs0") != nullptr && text(named("kube-ipvs0")->kind) == "dummy" && !named("kube-ipvs0")->up);
    CHECK(named("left") != nullptr && text(named("left")->kind) == "veth" && !named("left")->loopback);
  });

  test("recorded addresses are read, the local one where there is a peer", [] {
    const auto four = recorded("route_address/addresses-v4", route::unpackAddress);
    const auto six = recorded("route_address/addresses-v6", route::unpackAddress);
    const Record* loopback = find(four, "7f000001");
    CHECK(loopback != nullptr && loopback->prefixLength == 8 && loopback->scope == RT_SCOPE_HOST);
    CHECK(find(four, "0a600001") != nullptr && find(four, "0a600001")->prefixLength == 32);
    CHECK(find(four, "0a010001") != nullptr && find(four, "0a010002") == nullptr);
    const auto peerOf = [](const Record* one) { return netlink::Bytes(one->source).first(4); };
    CHECK(same(peerOf(find(four, "0a010001")), hex("0a010002")) && same(peerOf(loopback), hex("00000000")));
    const Record* vip = find(six, "fd000000000000000000000000000001");
    CHECK(vip != nullptr && vip->prefixLength == 128 && (vip->flags & IFA_F_NODAD) != 0 && vip->device != 0);
    CHECK(same(peerOf(vip), hex("00000000")));
  });

  test("recorded local routes are read, with device, protocol and source", [] {
    std::vector<Record> routes;
    int others = 0;
    for (const char* name : {"route_route/local-routes-v4", "route_route/local-routes-v6", "route_route/routes"}) {
      recording::eachMessage(name, [&](const Message& message) {
        Record one;
        bool local = false;
        CHECK(unpackRoute(message, one, local));
        if (local) {
          routes.push_back(one);
        } else {
          ++others;
        }
      });
    }
    CHECK(others > 0);
    const Record* range = find(routes, "0a61");
    CHECK(range != nullptr && range->prefixLength == 16 && range->device != 0);
    CHECK(range != nullptr && same(range->source, hex("0a600001 00000000 00000000 00000000")));
    const Record* own = find(routes, "0a600001");
    CHECK(own != nullptr && own->protocol == RTPROT_KERNEL);
    const Record* six = find(routes, "fd01");
    CHECK(six != nullptr && six->protocol == 99 && six->prefixLength == 64 && six->device == 1);
  });

  test("recorded notifications tell what came and went, and nothing of bridge ports", [] {
    std::vector<Event> events;
    for (const auto& datagram : recording::datagrams("route_event/event")) {
      readEvents({.kind = netlink::Received::Kind::datagram, .datagram = datagram, .error = 0}, events);
    }
    const auto link = [&](const char* name, bool added) {
      return std::ranges::count_if(events, [&](const Event& event) {
        return event.kind == Event::Kind::link && event.added == added && text(event.link.name) == name;
      });
    };
    const auto address = [&](const char* bytes, bool added) {
      return std::ranges::count_if(events, [&](const Event& event) {
        std::vector<Record> one(1, event.address);
        return event.kind == Event::Kind::address && event.added == added && find(one, bytes) != nullptr;
      });
    };
    CHECK(link("kube-ipvs0", true) > 0 && link("kube-ipvs0", false) == 1);
    CHECK(link("right", true) > 0 && link("right", false) == 1);  // it also left a bridge
    CHECK(address("0a600001", true) == 1 && address("0a600001", false) == 1);
    CHECK(address("fd000000000000000000000000000001", true) == 1);
    CHECK(std::ranges::none_of(events, [](const Event& event) { return event.kind == Event::Kind::overrun; }));
  });
}

void refusalTests() {
  test("messages shorter than their header, and addresses of the wrong width, are refused", [] {
    Link link;
    Record one;
    bool local = false;
    const auto message = [](uint16_t type, const std::vector<uint8_t>& payload) {
      return Message{.type = type, .flags = 0, .sequence = 0, .payload = payload};
    };
    const auto brief = hex("0220");
    CHECK(!unpackLink(message(RTM_NEWLINK, brief), link));
    CHECK(!unpackAddress(message(RTM_NEWADDR, brief), one));
    CHECK(!unpackRoute(message(RTM_NEWROUTE, brief), one, local));
    const auto wide = hex("02200000 07000000 1400 0200 fd000000 00000000 00000000 00000001");
    CHECK(!unpackAddress(message(RTM_NEWADDR, wide), one));
    const auto none = hex("02200000 07000000");
    CHECK(!unpackAddress(message(RTM_NEWADDR, none), one));
    const auto named = hex("00000000 00000000 00000000 00000000 1400 0300 78787878 78787878 78787878 78787878");
    CHECK(!unpackLink(message(RTM_NEWLINK, named), link));
  });

  test("a long kind is cut, not refused", [] {
    Link link;
    const auto payload =
        hex("00000000 00000000 00000000 00000000 1c00 1280 1800 0100 "
            "78787878 78787878 78787878 78787878 78787800");
    const Message message{.type = RTM_NEWLINK, .flags = 0, .sequence = 0, .payload = payload};
    CHECK(unpackLink(message, link) && text(link.kind) == std::string(15, 'x'));
  });

  test("anything lost or unreadable is an overrun", [] {
    using Kind = netlink::Received::Kind;
    for (const Kind kind : {Kind::overrun, Kind::truncated, Kind::broken}) {
      std::vector<Event> events;
      readEvents({.kind = kind, .datagram = {}, .error = 0}, events);
      CHECK(events.size() == 1 && events[0].kind == Event::Kind::overrun);
    }
    std::vector<Event> events;
    const auto garbage = hex("ffffffff ffffffff ffffffff ffffffff ffffffff");
    readEvents({.kind = Kind::datagram, .datagram = garbage, .error = 0}, events);
    CHECK(events.size() == 1 && events[0].kind == Event::Kind::overrun);
  });
}

void violationTests() {
  test("each field that would be sent wrongly is named", [] {
    const auto refused = [](const char* field, Record op, auto&& change) {
      change(op);
      const auto violation = violationOf(op);
      return violation && std::string_view(violation->field) == field;
    };
    const Record link = record(Verb::add, Kind::link, 0);
    const Record address = record(Verb::add, Kind::address, 4);
    CHECK(!violationOf(link) && !violationOf(address) && !violationOf(record(Verb::remove, Kind::localRoute, 6)));
    CHECK(refused("verb", link, [](Record& op) { op.verb = Verb::none; }));
    CHECK(refused("verb", address, [](Record& op) { op.verb = Verb::edit; }));
    CHECK(!violationOf(record(Verb::edit, Kind::localRoute, 6)));
    CHECK(refused("link change", link, [](Record& op) { op.verb = Verb::edit; }));
    CHECK(refused("family", link, [](Record& op) { op.family = 4; }));
    CHECK(refused("name", link, [](Record& op) { op.name[0] = '\0'; }));
    CHECK(refused("name", link, [](Record& op) { std::memset(op.name, 'x', sizeof op.name); }));
    CHECK(refused("kind", address, [](Record& op) { op.kind = static_cast<Kind>(4); }));
    CHECK(refused("family", address, [](Record& op) { op.family = 0; }));
    CHECK(refused("prefix length", address, [](Record& op) { op.prefixLength = 33; }));
    CHECK(refused("device", address, [](Record& op) { op.device = 0; }));
    CHECK(refused("device", address, [](Record& op) { op.device = 0x80000000; }));
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
