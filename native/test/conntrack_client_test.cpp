#include "../families/conntrack_client.h"

#include <errno.h>
#include <netinet/in.h>

#include <algorithm>

#include "../families/conntrack_codec.h"
#include "check.h"
#include "scripted_kernel.h"

using check::hex;
using check::same;
using check::test;
using conntrack::Client;
using conntrack::Flow;
using conntrack::FlowKey;
using netlink::Answers;
using netlink::Outcome;
using scripted::Datagram;
using scripted::Request;

namespace {

using Flows = std::vector<Flow>;

constexpr const char* dns = R"(
  02000000
  3400 0180 1400 0180 0800 0100 0a010007 0800 0200 0a60000a 1c00 0280 0500 0100 11000000 0600 0200 9c400000 0600 0300 00350000
  0800 0c00 00000001)";
constexpr const char* dnsFromAnother = R"(
  02000000
  3400 0180 1400 0180 0800 0100 0a010008 0800 0200 0a60000a 1c00 0280 0500 0100 11000000 0600 0200 9c400000 0600 0300 00350000
  0800 0c00 00000002)";
constexpr const char* dnsOverTcp = R"(
  02000000
  3400 0180 1400 0180 0800 0100 0a010007 0800 0200 0a60000a 1c00 0280 0500 0100 06000000 0600 0200 9c400000 0600 0300 00350000
  0800 0c00 00000003)";
constexpr const char* ping = "02000000 1000 0180 0c00 0280 0500 0100 01000000";
constexpr const char* dns6 = R"(
  0a000000
  4c00 0180 2c00 0180
    1400 0300 fd000000 00000000 00000000 00000007 1400 0400 fd000096 00000000 00000000 00000010
    1c00 0280 0500 0100 11000000 0600 0200 9c400000 0600 0300 00350000
  0800 0c00 00000004)";
constexpr const char* otherDns6 = R"(
  0a000000
  4c00 0180 2c00 0180
    1400 0300 fd000000 00000000 00000000 00000007 1400 0400 fd000096 00000000 00000000 00000011
    1c00 0280 0500 0100 11000000 0600 0200 9c400000 0600 0300 00350000
  0800 0c00 00000005)";

FlowKey key(uint8_t family, uint8_t protocol, const char* address, uint16_t port) {
  FlowKey key{};
  key.family = family;
  key.protocol = protocol;
  key.port = port;
  std::ranges::copy(hex(address), key.address);
  return key;
}

const FlowKey dnsKey = key(4, IPPROTO_UDP, "0a60000a", 53);
const FlowKey dnsKey6 = key(6, IPPROTO_UDP, "fd000096 00000000 00000000 00000010", 53);

bool isFiltered(const Request& request) {
  return request.payload.size() > 4;
}

// A dump of these messages, each of its own family alone.
std::vector<Datagram> dump(const Request& request, const std::vector<const char*>& payloads, uint16_t flags = 0) {
  std::vector<Datagram> replies;
  for (const char* payload : payloads) {
    const auto bytes = hex(payload);
    if (bytes[0] != request.payload[0]) continue;
    replies.push_back(scripted::message(conntrack::newFlow, NLM_F_MULTI | flags, request.sequence, bytes));
  }
  replies.push_back(scripted::done(request.sequence));
  return replies;
}

std::vector<uint32_t> idsOf(const Flows& flows) {
  std::vector<uint32_t> ids;
  for (const Flow& flow : flows) ids.push_back(flow.id);
  std::ranges::sort(ids);
  return ids;
}

using Ids = std::vector<uint32_t>;

std::vector<FlowKey> manyKeys(uint8_t lastProtocol) {
  std::vector<FlowKey> keys;
  for (uint16_t port = 1; port <= 8; ++port) keys.push_back(key(4, IPPROTO_UDP, "0a600063", port));
  keys.push_back(key(4, lastProtocol, "0a60000a", 53));
  return keys;
}

void searchTests() {
  test("a few keys are asked for one by one, and each answer is checked", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return dump(requests[0], {dns, dns6, otherDns6, dnsFromAnother});
    });
    Client client(kernel.connect());
    Flows flows;
    const std::vector<FlowKey> keys = {dnsKey, dnsKey6, dnsKey};
    CHECK(client.flows(keys, flows).ok() && idsOf(flows) == Ids({1, 2, 4}));
    CHECK(kernel.heard().size() == 2 && isFiltered(kernel.heard()[0][0]) && isFiltered(kernel.heard()[1][0]));
    CHECK(kernel.heard()[0][0].type == 0x0101 && (kernel.heard()[0][0].flags & NLM_F_DUMP) == NLM_F_DUMP);
  });

  test("no keys are not asked for at all", [] {
    scripted::Kernel kernel([](const std::vector<Request>&) { return std::vector<Datagram>{}; });
    Client client(kernel.connect());
    Flows flows(1);
    CHECK(client.flows({}, flows).ok() && flows.empty() && kernel.heard().empty());
  });

  test("IPv6 keys of one port are one question", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) { return dump(requests[0], {dns6, otherDns6}); });
    Client client(kernel.connect());
    Flows flows;
    const std::vector<FlowKey> keys = {dnsKey6, key(6, IPPROTO_UDP, "fd000096 00000000 00000000 00000011", 53)};
    CHECK(client.flows(keys, flows).ok() && idsOf(flows) == Ids({4, 5}) && kernel.heard().size() == 1);
  });

  test("many keys are one question of their protocol, or of their family if they have several", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return isFiltered(requests[0]) ? dump(requests[0], {dns, dnsFromAnother})
                                     : dump(requests[0], {dns, dnsOverTcp, ping});
    });
    Client client(kernel.connect());
    Flows flows;
    CHECK(client.flows(manyKeys(IPPROTO_UDP), flows).ok() && idsOf(flows) == Ids({1, 2}));
    CHECK(client.flows(manyKeys(IPPROTO_TCP), flows).ok() && idsOf(flows) == Ids({3}));
    CHECK(kernel.heard().size() == 2);
    CHECK(same(kernel.heard()[0][0].payload, hex(R"(
      02000000 1000 0180 0c00 0280 0500 0100 11000000 0c00 1980 0800 0100 08000000)")));
    CHECK(same(kernel.heard()[1][0].payload, hex("02000000")));
  });

  test("an entry that a dump tells of twice is one flow", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return dump(requests[0], {dns, dnsFromAnother, dns});
    });
    Client client(kernel.connect());
    Flows flows;
    CHECK(client.flows({&dnsKey, 1}, flows).ok() && idsOf(flows) == Ids({1, 2}));
  });

  test("bytes of a key that mean nothing are not looked at", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) { return dump(requests[0], {dns}); });
    Client client(kernel.connect());
    FlowKey untidy = dnsKey;
    untidy.reserved[0] = untidy.address[15] = 1;
    Flows flows;
    CHECK(client.flows({&untidy, 1}, flows).ok() && idsOf(flows) == Ids({1}));
  });
}

void fallbackTests() {
  test("a kernel that refuses the filter is asked for everything, and the filter is not tried again", [] {
    for (const int error : {EINVAL, EOPNOTSUPP}) {
      scripted::Kernel kernel([=](const std::vector<Request>& requests) {
        if (isFiltered(requests[0])) return std::vector<Datagram>{scripted::verdict(requests[0].sequence, error)};
        return dump(requests[0], {dns, dnsOverTcp, ping, dns6});
      });
      Client client(kernel.connect());
      Flows flows;
      const std::vector<FlowKey> keys = {dnsKey, dnsKey6};
      CHECK(client.flows(keys, flows).ok() && idsOf(flows) == Ids({1, 4}) && kernel.heard().size() == 3);
      CHECK(client.flows(keys, flows).ok() && idsOf(flows) == Ids({1, 4}) && kernel.heard().size() == 5);
    }
  });

  test("a kernel that ignores the filter is noticed at once", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return dump(requests[0], {dns, dnsOverTcp, ping});
    });
    Client client(kernel.connect());
    Flows flows;
    const std::vector<FlowKey> keys = {dnsKey, key(4, IPPROTO_UDP, "0a60000b", 53),
                                       key(4, IPPROTO_TCP, "0a60000a", 53)};
    CHECK(client.flows(keys, flows).ok() && idsOf(flows) == Ids({1, 3}));
    CHECK(kernel.heard().size() == 2 && isFiltered(kernel.heard()[0][0]) && !isFiltered(kernel.heard()[1][0]));
  });

  test("a kernel without connection tracking has one code, and is asked with a filter again", [] {
    bool loaded = false;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      if (!loaded) return std::vector<Datagram>{scripted::verdict(requests[0].sequence, EINVAL)};
      return dump(requests[0], {dns});
    });
    Client client(kernel.connect());
    Flows flows;
    const Outcome outcome = client.flows({&dnsKey, 1}, flows);
    CHECK(outcome.error == EINVAL && outcome.code != nullptr && std::string_view(outcome.code) == "ERR_NO_CONNTRACK");
    loaded = true;
    CHECK(client.flows({&dnsKey, 1}, flows).ok() && flows.size() == 1);
    CHECK(kernel.heard().size() == 3 && isFiltered(kernel.heard()[2][0]));
  });

  test("another error is passed on, and nothing more is asked", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return EPERM; }));
    Client client(kernel.connect());
    Flows flows;
    const std::vector<FlowKey> keys = {dnsKey, dnsKey6};
    CHECK(client.flows(keys, flows).error == EPERM && kernel.heard().size() == 1);
  });

  test("an unreadable entry fails the search", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) { return dump(requests[0], {"02000000"}); });
    Client client(kernel.connect());
    Flows flows;
    CHECK(client.flows({&dnsKey, 1}, flows).error == EBADMSG);
  });
}

void interruptionTests() {
  test("an interrupted dump is read again", [] {
    int turn = 0;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      return dump(requests[0], {dns, dnsFromAnother}, turn++ == 0 ? NLM_F_DUMP_INTR : uint16_t{0});
    });
    Client client(kernel.connect());
    Flows flows;
    CHECK(client.flows({&dnsKey, 1}, flows).ok() && idsOf(flows) == Ids({1, 2}) && kernel.heard().size() == 2);
  });

  test("of a dump that is always interrupted, what the last try brought is given", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      auto replies = dump(requests[0], {dns});
      replies.back() = scripted::done(requests[0].sequence, 0, NLM_F_MULTI | NLM_F_DUMP_INTR);
      return replies;
    });
    Client client(kernel.connect());
    Flows flows;
    CHECK(client.flows({&dnsKey, 1}, flows).ok() && idsOf(flows) == Ids({1}) && kernel.heard().size() == 8);
  });

  test("an interrupted dump that brought nothing is no picture at all", [] {
    scripted::Kernel kernel(
        [](const std::vector<Request>& requests) { return dump(requests[0], {dns}, NLM_F_DUMP_INTR); });
    Client client(kernel.connect());
    Flows flows;
    const Outcome outcome = client.flows({&dnsKey, 1}, flows);
    CHECK(outcome.code != nullptr && std::string_view(outcome.code) == "DUMP_INTERRUPTED" && flows.empty());
  });
}

Flow flow(uint32_t id) {
  Flow flow{};
  flow.family = 4;
  flow.protocol = IPPROTO_UDP;
  flow.id = id;
  return flow;
}

void deletionTests() {
  test("flows are deleted in one batch, and answered each for itself", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request& request) {
      return netlink::load<uint8_t>(request.payload.data() + request.payload.size() - 1) == 2 ? ENOENT : 0;
    }));
    Client client(kernel.connect());
    const Flows flows = {flow(1), flow(2), flow(3)};
    Answers answers;
    CHECK(client.remove(flows, answers).ok() && answers.errnos == std::vector<int32_t>({0, ENOENT, 0}));
    CHECK(kernel.heard().size() == 1 && kernel.heard()[0].size() == 3);
    CHECK(kernel.heard()[0][0].type == 0x0102 && kernel.heard()[0][0].flags == NLM_F_REQUEST);
    CHECK(kernel.heard()[0][2].flags == (NLM_F_REQUEST | NLM_F_ACK));
  });

  test("no flows are deleted without a word", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return EINVAL; }));
    Client client(kernel.connect());
    Answers answers;
    CHECK(client.remove({}, answers).ok() && answers.errnos.empty() && kernel.heard().empty());
  });

  test("a kernel without connection tracking can delete nothing", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return EINVAL; }));
    Client client(kernel.connect());
    const Flows flows = {flow(1), flow(2)};
    Answers answers;
    const Outcome outcome = client.remove(flows, answers);
    CHECK(outcome.code != nullptr && std::string_view(outcome.code) == "ERR_NO_CONNTRACK");
  });
}

}  // namespace

int main() {
  searchTests();
  fallbackTests();
  interruptionTests();
  deletionTests();
  return check::finish();
}
