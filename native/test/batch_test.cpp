#include "../netlink/batch.h"

#include <errno.h>

#include <algorithm>

#include "check.h"
#include "faults.h"
#include "scripted_kernel.h"

using check::test;
using netlink::Answers;
using netlink::Batches;
using netlink::Message;
using netlink::Outcome;
using netlink::Socket;
using scripted::Datagram;
using scripted::Request;

namespace {

constexpr uint16_t anyType = 0x1c;

// Sends `count` operations that carry their own index.
Outcome send(Socket& socket, uint32_t count, Answers& answers) {
  answers = Answers(count);
  auto sink = [](uint32_t, const Message&) {};
  Batches batches(socket, answers, sink);
  for (uint32_t i = 0; i < count; ++i) {
    batches.begin(i, anyType, 0).u32(1, i);
    batches.commit();
  }
  return batches.finish();
}

uint32_t indexOf(const Request& request) {
  return netlink::load<uint32_t>(request.payload.data() + NLA_HDRLEN);
}

bool all(const Answers& answers, size_t first, size_t last, int32_t errnum) {
  return std::all_of(answers.errnos.begin() + static_cast<ptrdiff_t>(first),
                     answers.errnos.begin() + static_cast<ptrdiff_t>(last),
                     [&](int32_t answer) { return answer == errnum; });
}

const auto allGood = scripted::linuxLike([](const Request&) { return 0; });

// rtnetlink answers a type that is none with an error each; no privileges needed.
constexpr uint16_t noSuchType = 0x7ff0;

Outcome sendUnheardOf(Socket& socket, uint32_t count, Answers& answers) {
  answers = Answers(count);
  auto sink = [](uint32_t, const Message&) {};
  Batches batches(socket, answers, sink);
  for (uint32_t i = 0; i < count; ++i) {
    batches.begin(i, noSuchType, 0).u32(1, i);
    batches.commit();
  }
  return batches.finish();
}

void realKernelTests() {
  test("on a real kernel every one of 3 000 failing operations has its errno, whatever the receive buffer", [] {
    for (const int size : {1, 50'000, 8 << 20}) {
      Socket socket;
      CHECK(socket
                .open(NETLINK_ROUTE,
                      {.networkNamespace = {}, .descriptor = -1, .timeoutMilliseconds = 2000, .kernelBufferSize = size})
                .ok());
      Answers answers;
      CHECK(sendUnheardOf(socket, 3000, answers).ok() && all(answers, 0, 3000, EOPNOTSUPP));
    }
  });

  test("a real overrun of the receive buffer leaves what was dropped unknown, and the socket usable", [] {
    Socket socket;
    CHECK(socket.open(NETLINK_ROUTE, {}).ok());
    const int small = 1;
    ::setsockopt(socket.descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    Answers answers;
    CHECK(sendUnheardOf(socket, 500, answers).ok());
    CHECK(answers.errnos.front() == EOPNOTSUPP && answers.errnos.back() == netlink::unknown);
    CHECK(std::ranges::none_of(answers.errnos, [](int32_t error) { return error == 0; }));
    CHECK(sendUnheardOf(socket, 1, answers).ok() && answers.errnos[0] == EOPNOTSUPP);
  });
}

}  // namespace

int main() {
  realKernelTests();
  test("only the last message of a batch asks for an acknowledgement", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 3000, answers).ok() && all(answers, 0, 3000, 0));
    size_t messages = 0;
    for (const auto& datagram : kernel.heard()) {
      messages += datagram.size();
      for (const Request& request : datagram) {
        CHECK(((request.flags & NLM_F_ACK) != 0) == (&request == &datagram.back()));
      }
    }
    CHECK(messages == 3000 && kernel.heard().size() < 30);
  });

  test("a batch is no larger than what its errors would take of the receive buffer", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return EPERM; }));
    for (const int size : {1, 20'000, 100'000}) {
      Socket socket = kernel.connect(1000, {}, size);
      Answers answers;
      CHECK(send(socket, 300, answers).ok() && all(answers, 0, 300, EPERM));
      CHECK(kernel.heard().back().size() <= std::max<size_t>(1, socket.receiveCapacity() / 1280));
    }
    CHECK(kernel.heard()[0].size() < 4);
  });

  test("of 10 000 operations with a bad one in the middle exactly that one has an errno, and the text", [] {
    scripted::Kernel kernel(scripted::linuxLike(
        [](const Request& request) { return indexOf(request) == 5000 ? ENOENT : 0; }, "no such scheduler"));
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 10'000, answers).ok());
    CHECK(all(answers, 0, 5000, 0) && answers.errnos[5000] == ENOENT && all(answers, 5001, 10'000, 0));
    CHECK(answers.texts.size() == 1 && answers.texts[0].index == 5000 && answers.texts[0].text == "no such scheduler");
  });

  test("every operation may fail, each with its own errno", [] {
    scripted::Kernel kernel(
        scripted::linuxLike([](const Request& request) { return static_cast<int>(1 + indexOf(request) % 100); }));
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 2000, answers).ok());
    for (size_t i = 0; i < 2000; ++i) CHECK(answers.errnos[i] == static_cast<int32_t>(1 + i % 100));
  });

  test("no operations are no datagram", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 0, answers).ok() && kernel.heard().empty());
  });

  test("answers with foreign sequence numbers and of unknown types are passed over", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      const uint32_t first = requests.front().sequence;
      const uint32_t last = requests.back().sequence;
      return std::vector<Datagram>{
          scripted::verdict(first - 1, EPERM),
          scripted::verdict(last + 1, EPERM),
          scripted::verdict(0, EPERM),
          scripted::verdict(~0u, EPERM),
          scripted::message(NLMSG_NOOP, 0, first),
          scripted::message(NLMSG_OVERRUN, 0, first),
          scripted::message(0x7777, 0, first),
          scripted::verdict(first, EEXIST),
          scripted::verdict(last, 0),
      };
    });
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 10, answers).ok());
    CHECK(answers.errnos[0] == EEXIST && all(answers, 1, 10, 0));
  });

  test("what cannot be read may have been an error: then silence is no success", [] {
    for (const char* garbage : {"00", "ffffffffffffffffffffffffffffffffffffffff", "error"}) {
      scripted::Kernel kernel([&](const std::vector<Request>& requests) {
        const uint32_t first = requests.front().sequence;
        const bool brief = std::string_view(garbage) == "error";
        return std::vector<Datagram>{
            brief ? scripted::message(NLMSG_ERROR, 0, first + 1, check::hex("ffff")) : check::hex(garbage),
            scripted::verdict(first, EEXIST),
            scripted::verdict(requests.back().sequence, 0),
        };
      });
      Socket socket = kernel.connect();
      Answers answers;
      CHECK(send(socket, 10, answers).ok());
      CHECK(answers.errnos[0] == EEXIST && all(answers, 1, 9, netlink::unknown) && answers.errnos[9] == 0);
    }
  });

  test("the first of two answers to an operation counts", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[1].sequence, ERANGE),
                                   scripted::verdict(requests[1].sequence, 0),
                                   scripted::verdict(requests.back().sequence, 0)};
    });
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 3, answers).ok() && answers.errnos[1] == ERANGE && answers.errnos[2] == 0);
  });

  test("several answers may share a datagram", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      Datagram joined = scripted::verdict(requests[0].sequence, ESRCH, "gone");
      const Datagram end = scripted::verdict(requests.back().sequence, 0);
      joined.insert(joined.end(), end.begin(), end.end());
      return std::vector<Datagram>{joined};
    });
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, 4, answers).ok() && answers.errnos[0] == ESRCH && all(answers, 1, 4, 0));
  });

  test("without the last answer, operations without an error are unknown", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[2].sequence, EEXIST)};
    });
    Socket socket = kernel.connect(50);
    Answers answers;
    CHECK(send(socket, 5, answers).ok());
    CHECK(all(answers, 0, 2, netlink::unknown) && answers.errnos[2] == EEXIST && all(answers, 3, 5, netlink::unknown));
  });

  test("an answer that is no errno leaves the operation unknown", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests.back().sequence, -5),
                                   scripted::verdict(requests.back().sequence, 70'000)};
    });
    Socket socket = kernel.connect(50);
    Answers answers;
    CHECK(send(socket, 2, answers).ok() && all(answers, 0, 2, netlink::unknown));
  });

  test("after ENOBUFS, seen errors count and the rest of the batch is unknown; the next batch goes on", [] {
    scripted::Kernel kernel(
        scripted::linuxLike([](const Request& request) { return indexOf(request) == 3 ? EEXIST : 0; }));
    Socket socket = kernel.connect(1000, faults::calls());
    faults::receive = {ENOBUFS};
    Answers answers;
    CHECK(send(socket, 2000, answers).ok());
    const size_t first = kernel.heard()[0].size();
    CHECK(answers.errnos[3] == EEXIST && all(answers, 4, first - 1, netlink::unknown));
    CHECK(all(answers, first, 2000, 0));
  });

  test("a truncated answer leaves the batch unknown, without waiting for what was lost", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(60'000, faults::calls());
    faults::receive = {faults::cut};
    Answers answers;
    const int64_t start = netlink::monotonic();
    CHECK(send(socket, 10, answers).ok() && all(answers, 0, 10, netlink::unknown));
    CHECK(netlink::monotonic() - start < 5'000'000'000);
    CHECK(send(socket, 10, answers).ok() && all(answers, 0, 10, 0));
  });

  test("a signal during send or receive is of no consequence", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::send = {EINTR, EINTR};
    faults::receive = {EINTR, EINTR, EINTR};
    Answers answers;
    CHECK(send(socket, 10, answers).ok() && all(answers, 0, 10, 0));
  });

  test("a batch the kernel will not take in one piece goes in smaller ones", [] {
    for (const int error : {ENOBUFS, EMSGSIZE, ENOMEM}) {
      scripted::Kernel kernel(
          scripted::linuxLike([](const Request& request) { return indexOf(request) == 7 ? EEXIST : 0; }));
      Socket socket = kernel.connect(1000, faults::calls());
      faults::send = {error, error};
      Answers answers;
      CHECK(send(socket, 100, answers).ok());
      CHECK(all(answers, 0, 7, 0) && answers.errnos[7] == EEXIST && all(answers, 8, 100, 0));
      CHECK(kernel.heard().size() == 3 && kernel.heard()[0].size() == 25);
    }
  });

  test("a full send buffer is waited for once, then the batch is split", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::send = {EAGAIN};
    Answers answers;
    CHECK(send(socket, 10, answers).ok() && all(answers, 0, 10, 0) && kernel.heard().size() == 1);
    faults::send = {EAGAIN, EAGAIN};
    CHECK(send(socket, 10, answers).ok() && all(answers, 0, 10, 0) && kernel.heard().size() == 3);
  });

  test("a send buffer that stays full is waited for only once", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::send.assign(6000, EAGAIN);
    Answers answers;
    const int64_t start = netlink::monotonic();
    send(socket, 2000, answers);
    CHECK(netlink::monotonic() - start < 5'000'000'000 && all(answers, 0, 2000, EAGAIN));
    faults::send.clear();
  });

  test("an operation the kernel will not take even alone has that errno", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::send = {ENOBUFS, ENOBUFS};
    Answers answers;
    CHECK(send(socket, 2, answers).ok() && answers.errnos[0] == ENOBUFS && answers.errnos[1] == 0);
  });

  test("a socket that breaks before anything was sent fails the call", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::send = {EBADF};
    Answers answers;
    const Outcome outcome = send(socket, 10, answers);
    CHECK(outcome.error == EBADF && kernel.heard().empty());
  });

  test("a socket that breaks later keeps the answers so far; the rest is unknown and not sent", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::send = {0, ECONNRESET};
    Answers answers;
    CHECK(send(socket, 5000, answers).ok());
    const size_t first = kernel.heard()[0].size();
    CHECK(kernel.heard().size() == 1 && all(answers, 0, first, 0) && all(answers, first, 5000, netlink::unknown));
  });

  test("a socket that breaks while answers are awaited leaves what was sent unknown", [] {
    scripted::Kernel kernel(allGood);
    Socket socket = kernel.connect(1000, faults::calls());
    faults::receive = {ECONNRESET};
    Answers answers;
    CHECK(send(socket, 10, answers).ok() && all(answers, 0, 10, netlink::unknown));
  });

  test("a peer that never answers is given up after two batches", [] {
    scripted::Kernel kernel([](const std::vector<Request>&) { return std::vector<Datagram>{}; });
    Socket socket = kernel.connect(50);
    Answers answers;
    CHECK(send(socket, 20'000, answers).ok() && all(answers, 0, 20'000, netlink::unknown));
    CHECK(kernel.heard().size() == 2);
  });

  test("a flood of what nobody asked for ends with the deadline", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>(200'000, scripted::verdict(requests[0].sequence - 1, 0));
    });
    Socket socket = kernel.connect(100);
    Answers answers;
    const int64_t start = netlink::monotonic();
    CHECK(send(socket, 3, answers).ok() && all(answers, 0, 3, netlink::unknown));
    CHECK(netlink::monotonic() - start < 5'000'000'000);
  });

  test("late answers to an earlier exchange do not answer the next one", [] {
    int turn = 0;
    std::vector<Request> early;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) -> std::vector<Datagram> {
      if (turn++ == 0) {
        early = requests;
        return {};
      }
      return {scripted::verdict(early[0].sequence, EPERM), scripted::verdict(early[1].sequence, EPERM),
              scripted::verdict(requests.back().sequence, 0)};
    });
    Socket socket = kernel.connect(50);
    Answers answers;
    CHECK(send(socket, 2, answers).ok() && all(answers, 0, 2, netlink::unknown));
    CHECK(send(socket, 2, answers).ok() && all(answers, 0, 2, 0));
  });

  test("a request gives its data, its error, or EBADMSG if there is neither", [] {
    int answer = 0;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      std::vector<Datagram> replies;
      const uint32_t sequence = requests[0].sequence;
      if (answer == 0) replies.push_back(scripted::message(anyType, 0, sequence, check::hex("2a000000")));
      replies.push_back(answer == 1 ? scripted::verdict(sequence, EPERM, "not you") : scripted::verdict(sequence, 0));
      return replies;
    });
    Socket socket = kernel.connect();
    uint32_t read = 0;
    const auto ask = [&] {
      return netlink::request(
          socket, "ASK",
          [](Batches& batches) {
            batches.begin(0, anyType, 0);
            batches.commit();
          },
          [&](const Message& reply) {
            read = netlink::load<uint32_t>(reply.payload.data());
            return true;
          });
    };
    CHECK(ask().ok() && read == 42);
    answer = 1;
    const Outcome refused = ask();
    CHECK(refused.error == EPERM && refused.text == "not you" && std::string_view(refused.call) == "ASK");
    answer = 2;
    CHECK(ask().error == EBADMSG);
  });

  return check::finish();
}
