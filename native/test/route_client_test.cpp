#include "../families/route_client.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "check.h"
#include "scripted_kernel.h"

using check::hex;
using check::test;
using netlink::Answers;
using netlink::Outcome;
using route::Client;
using route::Kind;
using route::Record;
using scripted::Datagram;
using scripted::Request;

namespace {

using Records = std::vector<Record>;

// Answers every dump with the same messages.
scripted::Script dumping(uint16_t type, std::vector<const char*> payloads) {
  return [type, payloads = std::move(payloads)](const std::vector<Request>& requests) {
    std::vector<Datagram> replies;
    for (const char* payload : payloads) {
      replies.push_back(scripted::message(type, NLM_F_MULTI, requests[0].sequence, hex(payload)));
    }
    replies.push_back(scripted::done(requests[0].sequence));
    return replies;
  };
}

constexpr const char* address4 = "02200000 07000000 0800 0200 0a600001";
constexpr const char* address6 = "0a800000 07000000 1400 0100 fd000000 00000000 00000000 00000001";
constexpr const char* elsewhere = "02200000 08000000 0800 0200 0a600002";
constexpr const char* bridge = "07000000 07000000";

void scriptedTests() {
  test("addresses are asked for by family and device, and told once each", [] {
    // Without IPv6 the kernel answers either query with all it has.
    scripted::Kernel kernel(dumping(RTM_NEWADDR, {address4, address6, elsewhere, bridge}));
    Client client(kernel.connect());
    Records records;
    CHECK(client.addresses(7, records).ok() && records.size() == 2);
    CHECK(records[0].family == 4 && records[1].family == 6 && records[0].kind == Kind::address);
    CHECK(kernel.heard().size() == 2);
    CHECK(check::same(kernel.heard()[0][0].payload, hex("02000000 07000000")));
    CHECK(check::same(kernel.heard()[1][0].payload, hex("0a000000 07000000")));
    records.clear();
    CHECK(client.addresses(0, records).ok() && records.size() == 3);
    records.clear();
    CHECK(client.otherAddresses(7, records).ok() && records.size() == 1 && records[0].device == 8);
    CHECK(check::same(kernel.heard()[4][0].payload, hex("02000000 00000000")));
  });

  test("local routes are those of type and table local over the device, uncached", [] {
    scripted::Kernel kernel(
        dumping(RTM_NEWROUTE, {
                                  "02100000 ff04fe02 00000000 0800 0100 0a610000 0800 0400 07000000 | ours",
                                  "02100000 ff04fe02 00000000 0800 0100 0a620000 0800 0400 08000000 | another device",
                                  "02100000 fe04fe02 00000000 0800 0100 0a630000 0800 0400 07000000 | table main",
                                  "02100000 ff04fe01 00000000 0800 0100 0a640000 0800 0400 07000000 | unicast",
                                  "02200000 ff04fe02 00020000 0800 0100 0a650000 0800 0400 07000000 | cached",
                                  "02202000 ff04fe02 00000000 0800 0100 0a660000 0800 0400 07000000 | from one source",
                              }));
    Client client(kernel.connect());
    Records records;
    CHECK(client.localRoutes(7, records).ok() && records.size() == 1 && records[0].address[1] == 0x61);
    CHECK(check::same(kernel.heard()[0][0].payload, hex("02000000 ff000002 00000000 0800 0400 07000000")));
  });

  test("a namespace without a local table has no local routes; another error fails", [] {
    for (const int error : {ENOENT, ENODEV}) {
      scripted::Kernel kernel(scripted::linuxLike([=](const Request&) { return error; }));
      Client client(kernel.connect());
      Records records;
      CHECK(client.localRoutes(0, records).error == (error == ENOENT ? 0 : error) && records.empty());
    }
  });

  test("an unreadable entry fails the dump", [] {
    scripted::Kernel kernel(dumping(RTM_NEWADDR, {"0220"}));
    Client client(kernel.connect());
    Records records;
    CHECK(client.addresses(0, records).error == EBADMSG);
  });

  test("operations are sent as their commands, and answered each for itself", [] {
    scripted::Kernel kernel(
        scripted::linuxLike([](const Request& request) { return request.type == RTM_DELLINK ? ENODEV : 0; }));
    Client client(kernel.connect());
    Record add{};
    add.verb = route::Verb::add;
    add.kind = Kind::link;
    std::memcpy(add.name, "kube-ipvs0", 10);
    Record remove = add;
    remove.verb = route::Verb::remove;
    const Records ops = {add, remove, add};
    Answers answers;
    CHECK(client.apply(ops, answers).ok() && answers.errnos == std::vector<int32_t>({0, ENODEV, 0}));
    CHECK(kernel.heard()[0][0].flags == (NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL));
    CHECK(kernel.heard()[0][2].flags == (NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK));
  });
}

void realKernelTests() {
  test("a real kernel tells of its loopback device, its address and its route", [] {
    netlink::Socket socket;
    CHECK(socket.open(NETLINK_ROUTE, {}).ok());
    Client client(std::move(socket));
    std::vector<route::Link> links;
    CHECK(client.links(links).ok());
    const auto lo = std::ranges::find_if(links, [](const route::Link& link) { return link.loopback; });
    CHECK(lo != links.end() && lo->index == 1 && std::string_view(lo->name) == "lo");
    Records addresses;
    Records routes;
    CHECK(client.addresses(1, addresses).ok() && client.localRoutes(1, routes).ok());
    const bool bound = !addresses.empty();  // not while lo is down, as in a fresh namespace
    CHECK(!bound || std::ranges::any_of(routes, [](const Record& record) { return record.address[0] == 127; }));
    CHECK(client.addresses(999'999, addresses).error == ENODEV);
  });

  test("a monitor joins its groups", [] {
    netlink::Socket socket;
    CHECK(route::openMonitor({}, socket).ok());
    CHECK(socket.receive(netlink::Deadline::now()).kind == netlink::Received::Kind::nothing);
    CHECK(socket.join(0x7fff).error != 0);
    CHECK(!route::openMonitor({.networkNamespace = "no-such-namespace"}, socket).ok());
  });
}

}  // namespace

int main() {
  scriptedTests();
  realKernelTests();
  return check::finish();
}
