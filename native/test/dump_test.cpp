#include "../netlink/dump.h"

#include <errno.h>

#include <memory>

#include "check.h"
#include "faults.h"
#include "scripted_kernel.h"

using check::test;
using netlink::Message;
using netlink::Outcome;
using netlink::Socket;
using scripted::Datagram;
using scripted::Request;

namespace {

constexpr uint16_t anyType = 0x1c;

Datagram entry(uint32_t sequence, uint32_t value, uint16_t flags = NLM_F_MULTI) {
  return scripted::message(anyType, flags, sequence, {reinterpret_cast<const uint8_t*>(&value), sizeof value});
}

struct Read {
  std::vector<uint32_t> values;
  int begun = 0;
};

Outcome dump(Socket& socket, Read& read) {
  return netlink::dump(socket, {
                                   .name = "GET",
                                   .type = anyType,
                                   .pack = [](netlink::MessageWriter&) {},
                                   .restart =
                                       [&] {
                                         read.values.clear();
                                         ++read.begun;
                                       },
                                   .unpack =
                                       [&](const Message& message) {
                                         if (message.payload.size() != 4) return false;
                                         read.values.push_back(netlink::load<uint32_t>(message.payload.data()));
                                         return true;
                                       },
                               });
}

}  // namespace

int main() {
  test("a dump is all its parts, up to its end", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      Datagram two = entry(sequence, 1);
      const Datagram second = entry(sequence, 2);
      two.insert(two.end(), second.begin(), second.end());
      return std::vector<Datagram>{two, entry(sequence, 3), scripted::done(sequence), entry(sequence, 4)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).ok() && read.values == std::vector<uint32_t>({1, 2, 3}) && read.begun == 1);
    CHECK((kernel.heard()[0][0].flags & NLM_F_DUMP) == NLM_F_DUMP);
  });

  test("an interrupted dump is read again, whole", [] {
    int turn = 0;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      const bool interrupted = turn++ < 2;
      const auto flags = static_cast<uint16_t>(NLM_F_MULTI | (interrupted ? NLM_F_DUMP_INTR : 0));
      return std::vector<Datagram>{entry(sequence, 1), entry(sequence, 2, flags), scripted::done(sequence)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).ok() && read.values == std::vector<uint32_t>({1, 2}) && read.begun == 3);
  });

  test("the mark of interruption may come with the end alone", [] {
    int turn = 0;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      const auto flags = static_cast<uint16_t>(NLM_F_MULTI | (turn++ == 0 ? NLM_F_DUMP_INTR : 0));
      return std::vector<Datagram>{entry(sequence, 1), scripted::done(sequence, 0, flags)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).ok() && read.begun == 2);
  });

  test("a dump that is always interrupted is given up after eight tries", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::done(requests[0].sequence, 0, NLM_F_MULTI | NLM_F_DUMP_INTR)};
    });
    Socket socket = kernel.connect();
    Read read;
    const Outcome outcome = dump(socket, read);
    CHECK(!outcome.ok() && std::string_view(outcome.code) == "DUMP_INTERRUPTED" && read.begun == 8);
  });

  test("parts of an earlier dump are passed over", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      return std::vector<Datagram>{entry(sequence - 1, 9), scripted::done(sequence - 1), entry(sequence, 1),
                                   scripted::verdict(sequence - 1, EPERM), scripted::done(sequence)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).ok() && read.values == std::vector<uint32_t>({1}));
  });

  test("an error instead of a dump, and one at its end, fail it with the kernel's text", [] {
    scripted::Kernel refusing([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[0].sequence, EPERM, "not you")};
    });
    Socket first = refusing.connect();
    Read read;
    const Outcome refused = dump(first, read);
    CHECK(refused.error == EPERM && refused.text == "not you");
    scripted::Kernel failing([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{entry(requests[0].sequence, 1), scripted::done(requests[0].sequence, ENODEV)};
    });
    Socket second = failing.connect();
    CHECK(dump(second, read).error == ENODEV);
  });

  test("EBUSY means an abandoned dump is still open, and is tried again", [] {
    int turn = 0;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      return std::vector<Datagram>{turn++ == 0 ? scripted::verdict(sequence, EBUSY) : scripted::done(sequence)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).ok() && read.begun == 2);
  });

  test("a datagram larger than the buffer enlarges the buffer, and the dump is read again", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      Datagram large;
      while (large.size() < 100'000) {
        const Datagram one = entry(sequence, 7);
        large.insert(large.end(), one.begin(), one.end());
      }
      return std::vector<Datagram>{large, scripted::done(sequence)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).ok() && read.values.size() == 5000 && read.begun == 2);
  });

  test("a dump that lost a part is read to its end, then again", [] {
    for (const int loss : {ENOBUFS, faults::cut}) {
      scripted::Kernel kernel([](const std::vector<Request>& requests) {
        const uint32_t sequence = requests[0].sequence;
        return std::vector<Datagram>{entry(sequence, 1), entry(sequence, 2), scripted::done(sequence)};
      });
      Socket socket = kernel.connect(1000, faults::calls());
      faults::receive = {0, loss};
      Read read;
      CHECK(dump(socket, read).ok() && read.values == std::vector<uint32_t>({1, 2}) && read.begun == 2);
    }
  });

  test("a dump whose end was lost is read again, not failed", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{entry(requests[0].sequence, 1), scripted::done(requests[0].sequence)};
    });
    Socket socket = kernel.connect(50, faults::calls());
    faults::receive = {0, faults::cut};
    Read read;
    CHECK(dump(socket, read).ok() && read.values == std::vector<uint32_t>({1}) && read.begun == 2);
  });

  test("a request that cannot be sent fails the dump", [] {
    scripted::Kernel kernel([](const std::vector<Request>&) { return std::vector<Datagram>{}; });
    Socket socket = kernel.connect(50, faults::calls());
    faults::send = {ECONNREFUSED};
    Read read;
    CHECK(dump(socket, read).error == ECONNREFUSED);
  });

  test("what cannot be read fails the dump with EBADMSG", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      const uint32_t sequence = requests[0].sequence;
      return std::vector<Datagram>{scripted::message(anyType, 0, sequence), scripted::done(sequence)};
    });
    Socket socket = kernel.connect();
    Read read;
    CHECK(dump(socket, read).error == EBADMSG);
  });

  test("a dump without an end, and one that never begins, time out", [] {
    for (const bool begins : {true, false}) {
      scripted::Kernel kernel([&](const std::vector<Request>& requests) {
        return begins ? std::vector<Datagram>{entry(requests[0].sequence, 1)} : std::vector<Datagram>{};
      });
      Socket socket = kernel.connect(50);
      Read read;
      CHECK(dump(socket, read).error == ETIMEDOUT && read.begun == 1);
    }
  });

  test("a flood of parts of another dump ends with the deadline", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>(200'000, entry(requests[0].sequence - 1, 1));
    });
    Socket socket = kernel.connect(100);
    Read read;
    CHECK(dump(socket, read).error == ETIMEDOUT && read.values.empty());
  });

  test("a peer that hangs up fails the dump", [] {
    auto kernel =
        std::make_unique<scripted::Kernel>([](const std::vector<Request>&) { return std::vector<Datagram>{}; });
    Socket socket = kernel->connect();
    kernel.reset();
    Read read;
    CHECK(!dump(socket, read).ok());
  });

  return check::finish();
}
