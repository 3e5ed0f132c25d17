#include "../families/ipvs_client.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <netinet/in.h>

#include <algorithm>

#include "../families/ipvs_codec.h"
#include "check.h"
#include "recording.h"
#include "scripted_kernel.h"

using check::test;
using ipvs::Client;
using ipvs::Entry;
using ipvs::Op;
using netlink::Answers;
using netlink::Outcome;
using scripted::Datagram;
using scripted::Request;

namespace {

// A module that can be loaded anew: requests to another number than its own are answered ENOENT, as genl does.
struct Module {
  uint16_t family = 0x20;
  int lookUps = 0;
  bool gone = false;
  std::function<std::vector<Datagram>(const Request&)> handle;

  std::vector<Datagram> answer(const Request& request) {
    if (request.type == GENL_ID_CTRL) return answerLookUp(request);
    if (gone || request.type != family) return {scripted::verdict(request.sequence, ENOENT)};
    return handle(request);
  }
  std::vector<Datagram> answerLookUp(const Request& request) {
    ++lookUps;
    if (gone) return {scripted::verdict(request.sequence, ENOENT)};
    auto payload = check::hex("01020000 0600 0100 00000000");
    std::memcpy(payload.data() + 8, &family, sizeof family);
    return {scripted::message(GENL_ID_CTRL, 0, request.sequence, payload), scripted::verdict(request.sequence, 0)};
  }
  scripted::Script script() {
    return [this](const std::vector<Request>& requests) {
      std::vector<Datagram> replies;
      for (const Request& request : requests) {
        for (Datagram& reply : answer(request)) replies.push_back(std::move(reply));
      }
      return replies;
    };
  }
};

std::vector<Datagram> acknowledge(const Request& request, int error = 0) {
  if (error == 0 && (request.flags & NLM_F_ACK) == 0) return {};
  return {scripted::verdict(request.sequence, error)};
}

Op service(uint8_t number) {
  Op op{};
  op.verb = ipvs::Verb::add;
  op.kind = ipvs::Kind::service;
  op.family = 4;
  op.protocol = IPPROTO_TCP;
  op.port = 80;
  op.address[3] = number;
  std::memcpy(op.scheduler, "rr", 2);
  return op;
}

// genlmsghdr, nest, AF (8), PROTOCOL (8), ADDR header (4), then the address.
uint8_t numberOf(const Request& request) {
  return request.payload[4 + 4 + 8 + 8 + 4 + 3];
}

Datagram serviceReply(uint16_t family, const Request& request) {
  Datagram reply = scripted::message(family, 0, request.sequence, request.payload);
  reply[NLMSG_HDRLEN] = IPVS_CMD_NEW_SERVICE;
  return reply;
}

void applyTests() {
  test("the family is looked up once", [] {
    Module module;
    module.handle = [](const Request& request) { return acknowledge(request); };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> ops(3, service(1));
    Answers answers;
    CHECK(client.apply(ops, answers).ok() && client.apply(ops, answers).ok() && module.lookUps == 1);
    CHECK(answers.errnos == std::vector<int32_t>(3, 0));
  });

  test("a kernel without IPVS fails the call and is asked again the next time", [] {
    Module module;
    module.gone = true;
    module.handle = [](const Request& request) { return acknowledge(request); };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> ops(1, service(1));
    Answers answers;
    const Outcome outcome = client.apply(ops, answers);
    CHECK(outcome.code != nullptr && std::string_view(outcome.code) == "ERR_NO_FAMILY");
    module.gone = false;
    CHECK(client.apply(ops, answers).ok());
  });

  test("ENOENT of an operation is looked into and kept", [] {
    Module module;
    module.handle = [](const Request& request) { return acknowledge(request, numberOf(request) == 2 ? ENOENT : 0); };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> ops = {service(1), service(2), service(3)};
    Answers answers;
    CHECK(client.apply(ops, answers).ok() && module.lookUps == 2);
    CHECK(answers.errnos == std::vector<int32_t>({0, ENOENT, 0}));
  });

  test("after the module was loaded anew, the operations it never saw are sent again", [] {
    Module module;
    std::vector<uint8_t> seen;
    module.handle = [&](const Request& request) {
      seen.push_back(numberOf(request));
      return acknowledge(request);
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> ops = {service(1), service(2), service(3)};
    Answers answers;
    CHECK(client.apply(ops, answers).ok());
    module.family = 0x21;
    CHECK(client.apply(ops, answers).ok() && answers.errnos == std::vector<int32_t>({0, 0, 0}));
    CHECK(seen == std::vector<uint8_t>({1, 2, 3, 1, 2, 3}) && answers.texts.empty());
  });

  test("a module that went away fails the call if nothing was applied", [] {
    Module module;
    module.handle = [](const Request& request) { return acknowledge(request); };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> ops(2, service(1));
    Answers answers;
    CHECK(client.apply(ops, answers).ok());
    module.gone = true;
    const Outcome outcome = client.apply(ops, answers);
    CHECK(outcome.code != nullptr && std::string_view(outcome.code) == "ERR_NO_FAMILY");
  });

  test("a module that went away half way leaves the second half unknown, not missing", [] {
    Module module;
    module.handle = [&](const Request& request) {
      module.gone = numberOf(request) == 2;
      return acknowledge(request, numberOf(request) == 1 ? EEXIST : 0);
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> ops = {service(1), service(2), service(3)};
    Answers answers;
    CHECK(client.apply(ops, answers).ok());
    CHECK(answers.errnos[0] == EEXIST && answers.errnos[2] == netlink::unknown);
  });

  test("nothing to apply asks nothing", [] {
    Module module;
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    Answers answers(4);
    CHECK(client.apply({}, answers).ok() && answers.errnos.empty() && kernel.heard().empty());
  });
}

void readTests() {
  test("services are found by identity, each answer at its place", [] {
    Module module;
    module.handle = [](const Request& request) {
      std::vector<Datagram> replies = acknowledge(request, numberOf(request) == 2 ? ESRCH : 0);
      if (numberOf(request) != 2) replies.insert(replies.begin(), serviceReply(0x20, request));
      return replies;
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> keys = {service(1), service(2), service(3)};
    std::vector<Entry> entries;
    Answers answers;
    CHECK(client.find(keys, entries, answers).ok() && answers.errnos == std::vector<int32_t>({0, ESRCH, 0}));
    CHECK(entries[0].op.address[3] == 1 && entries[1].op.family == 0 && entries[2].op.address[3] == 3);
  });

  test("a service that is acknowledged but not told, or told unreadably, is unknown", [] {
    Module module;
    module.handle = [](const Request& request) {
      std::vector<Datagram> replies = acknowledge(request);
      if (numberOf(request) == 2) {
        replies.insert(replies.begin(), scripted::message(0x20, 0, request.sequence, check::hex("01010000")));
      }
      return replies;
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> keys = {service(1), service(2)};
    std::vector<Entry> entries;
    Answers answers;
    CHECK(client.find(keys, entries, answers).ok());
    CHECK(answers.errnos == std::vector<int32_t>(2, netlink::unknown) && entries[1].op.kind != ipvs::Kind::service);
  });

  test("destinations are counted per service, in the order of the services", [] {
    Module module;
    module.handle = [](const Request& request) {
      std::vector<Datagram> replies;
      const auto payload =
          check::hex("05010000 2000 0280 1400 0100 0af40107 00000000 00000000 00000000 0600 0200 1f900000");
      for (int i = 0; i < numberOf(request); ++i) {
        replies.push_back(scripted::message(0x20, NLM_F_MULTI, request.sequence, payload));
      }
      replies.push_back(scripted::done(request.sequence));
      return replies;
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    const std::vector<Op> services = {service(2), service(0), service(1)};
    std::vector<Entry> entries;
    std::vector<uint32_t> counts;
    CHECK(client.destinations(services, entries, counts).ok());
    CHECK(counts == std::vector<uint32_t>({2, 0, 1}) && entries.size() == 3);
    CHECK(entries[0].op.address[3] == 2 && entries[2].op.address[3] == 1 && entries[2].op.destinationPort == 8080);
  });

  test("a dump to a family that moved is asked again", [] {
    Module module;
    module.handle = [](const Request& request) { return std::vector<Datagram>{scripted::done(request.sequence)}; };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    std::vector<Entry> entries;
    CHECK(client.services(entries).ok());
    module.family = 0x22;
    CHECK(client.services(entries).ok() && module.lookUps == 2);
    module.gone = true;
    const Outcome outcome = client.services(entries);
    CHECK(outcome.code != nullptr && std::string_view(outcome.code) == "ERR_NO_FAMILY");
  });

  test("counters are read in one dump, and one that cannot be read fails it", [] {
    const auto parts = recording::datagrams("ipvs_traffic/traffic");
    Module module;
    bool whole = true;
    module.handle = [&](const Request& request) {
      std::vector<Datagram> replies;
      netlink::MessageReader reader(parts.front());
      netlink::Message message;
      while (reader.next(message)) {
        const std::vector<uint8_t> payload(message.payload.begin(), message.payload.end() - (whole ? 0 : 12));
        replies.push_back(scripted::message(0x20, NLM_F_MULTI, request.sequence, payload));
      }
      replies.push_back(scripted::done(request.sequence));
      return replies;
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    std::vector<ipvs::Traffic> counters;
    CHECK(client.traffic(counters).ok() && counters.size() == 8);
    CHECK(client.traffic(counters).ok() && counters.size() == 8);
    whole = false;
    CHECK(client.traffic(counters).error == EBADMSG);
  });

  test("EPERM is passed on with the kernel's text", [] {
    Module module;
    module.handle = [](const Request& request) {
      return std::vector<Datagram>{scripted::verdict(request.sequence, EPERM, "no")};
    };
    scripted::Kernel kernel(module.script());
    Client client(kernel.connect());
    std::vector<Entry> entries;
    ipvs::Info info;
    CHECK(client.services(entries).error == EPERM && client.info(info).error == EPERM);
    CHECK(client.setTimeouts({1, 2, 3}).text == "no");
  });
}

}  // namespace

int main() {
  applyTests();
  readTests();
  return check::finish();
}
