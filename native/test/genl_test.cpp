#include "../families/genl.h"

#include <errno.h>

#include "check.h"
#include "recording.h"
#include "scripted_kernel.h"

using check::test;
using netlink::Message;
using netlink::Outcome;
using scripted::Datagram;
using scripted::Request;

int main() {
  test("a recorded answer gives the family's number", [] {
    uint16_t family = 0;
    recording::eachMessage("genl_family/family",
                           [&](const Message& message) { CHECK(genl::unpackFamily(message, family)); });
    CHECK(family == 32);
  });

  test("a family the kernel does not have is ERR_NO_FAMILY", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return ENOENT; }));
    netlink::Socket socket = kernel.connect();
    uint16_t family = 7;
    const Outcome outcome = genl::findFamily(socket, "IPVS", family);
    CHECK(outcome.error == ENOENT && std::string_view(outcome.code) == "ERR_NO_FAMILY" && family == 7);
    const auto payload = check::hex("03010000 0900 0200 49505653 00000000 | GETFAMILY, \"IPVS\"");
    CHECK(check::same(kernel.heard()[0][0].payload, payload));
  });

  test("a number below those of families, or none, is no answer", [] {
    for (const char* payload : {"01020000 0600 0100 0f000000", "01020000", "01020000 0500 0100 20000000", "0102"}) {
      scripted::Kernel kernel([&](const std::vector<Request>& requests) {
        const uint32_t sequence = requests[0].sequence;
        return std::vector<Datagram>{scripted::message(GENL_ID_CTRL, 0, sequence, check::hex(payload)),
                                     scripted::verdict(sequence, 0)};
      });
      netlink::Socket socket = kernel.connect();
      uint16_t family = 0;
      CHECK(genl::findFamily(socket, "IPVS", family).error == EBADMSG && family == 0);
    }
  });

  return check::finish();
}
