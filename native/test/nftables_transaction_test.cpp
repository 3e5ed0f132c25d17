#include "../families/nftables_transaction.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <utility>

#include "check.h"
#include "../families/nftables_message.h"
#include "faults.h"
#include "scripted_kernel.h"

using check::hex;
using check::same;
using check::test;
using netlink::Answers;
using netlink::Outcome;
using netlink::Socket;
using nftables::Transaction;
using scripted::Datagram;
using scripted::Request;

namespace {

constexpr uint16_t anyType = 0x0a0c;

// Five operations in three messages: 0 | 1 2 3, each marked | 4. The marked ones are attributes at 16, 24 and 32.
Outcome send(Socket& socket, Answers& answers) {
  answers = Answers(5);
  Transaction transaction(socket, answers);
  transaction.begin(0, anyType, NLM_F_CREATE, 64).u32(1, 0);
  transaction.commit(1);
  netlink::MessageWriter& writer = transaction.begin(1, anyType, 0, 64);
  for (uint32_t i = 1; i < 4; ++i) {
    transaction.mark(i);
    writer.u32(1, i);
  }
  transaction.commit(4);
  transaction.begin(4, anyType, 0, 64).u32(1, 4);
  transaction.commit(5);
  return transaction.finish();
}

using Errnos = std::vector<int32_t>;

// What is answered when this comes back; requests are BEGIN, three messages, END.
Errnos answered(scripted::Script script, const netlink::SystemCalls& calls = {}, int timeoutMilliseconds = 5000) {
  scripted::Kernel kernel(std::move(script));
  Socket socket = kernel.connect(timeoutMilliseconds, calls);
  Answers answers;
  CHECK(send(socket, answers).ok());
  return answers.errnos;
}

const Errnos allUnknown(5, netlink::unknown);

void sendingTests() {
  test("all messages are one datagram between begin and end, and only the last asks for an acknowledgement", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, answers).ok() && answers.errnos == Errnos(5, 0));
    CHECK(kernel.heard().size() == 1 && kernel.heard()[0].size() == 5);
    const std::vector<Request>& requests = kernel.heard()[0];
    CHECK(requests[0].type == NFNL_MSG_BATCH_BEGIN && requests[4].type == NFNL_MSG_BATCH_END);
    CHECK(same(requests[0].payload, hex("0000000a")) && same(requests[4].payload, hex("0000000a")));
    CHECK(requests[1].flags == (NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ECHO) && requests[2].flags == NLM_F_REQUEST);
    CHECK(requests[3].flags == (NLM_F_REQUEST | NLM_F_ACK) && requests[4].flags == NLM_F_REQUEST);
    for (size_t i = 1; i < 4; ++i) CHECK(requests[i].sequence == requests[0].sequence + i);
    CHECK(same(requests[2].payload, hex("0800 0100 01000000 0800 0100 02000000 0800 0100 03000000")));
  });

  test("a new generation is told of beside the acknowledgement, as an answer to the first message", [] {
    for (const uint32_t position : {0, 1, 4}) {
      scripted::Kernel kernel([=](const std::vector<Request>& requests) {
        return std::vector<Datagram>{
            scripted::message(nftables::typeOf(NFT_MSG_NEWGEN), 0, requests[position].sequence, hex("00000000")),
            scripted::verdict(requests[3].sequence, 0)};
      });
      Socket socket = kernel.connect();
      Answers answers;
      CHECK(send(socket, answers).ok() && answers.errnos == Errnos(5, 0));
      CHECK(answers.newGeneration == (position == 1));
    }
  });

  test("nothing to do is no datagram", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(Transaction(socket, answers).finish().ok() && kernel.heard().empty());
  });

  test("a message that does not fit its room keeps all from being sent", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Socket socket = kernel.connect();
    Answers answers(1);
    Transaction transaction(socket, answers);
    transaction.begin(0, anyType, 0, 20).u32(1, 0);
    transaction.commit(1);
    CHECK(transaction.finish().error == EMSGSIZE && kernel.heard().empty());
  });

  test("what the kernel does not take is a failure, after a second try where there was no room", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Socket socket = kernel.connect(1000, faults::calls());
    Answers answers;
    faults::send = {ENOBUFS};
    Outcome outcome = send(socket, answers);
    CHECK(outcome.error == ENOBUFS && outcome.call == std::string_view("send") && answers.errnos == allUnknown);
    faults::send = {EAGAIN};
    CHECK(send(socket, answers).ok() && answers.errnos == Errnos(5, 0));
    faults::send = {EAGAIN, EAGAIN};
    CHECK(send(socket, answers).error == EAGAIN);
    faults::send.clear();
  });

  test("megabytes are one datagram", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Socket socket = kernel.connect(5000, {}, 1);
    Answers answers(1);
    Transaction transaction(socket, answers);
    const std::vector<uint8_t> bytes(60'000);
    for (int i = 0; i < 15; ++i) {
      transaction.begin(0, anyType, 0, 61'000).bytes(1, bytes);
      transaction.commit(1);
    }
    CHECK(transaction.finish().ok() && answers.errnos == Errnos({0}));
    CHECK(kernel.heard().size() == 1 && kernel.heard()[0].size() == 17);
  });
}

void refusalTests() {
  test("what was refused has its errno and text, the rest was not done", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[1].sequence, ENOENT, "no such chain"),
                                   scripted::verdict(requests[3].sequence, 0)};
    });
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, answers).ok());
    CHECK(answers.errnos == Errnos({ENOENT, ECANCELED, ECANCELED, ECANCELED, ECANCELED}));
    CHECK(answers.texts.size() == 1 && answers.texts[0].index == 0 && answers.texts[0].text == "no such chain");
  });

  test("the offset of an attribute says which of several it was", [] {
    const Errnos errnos = answered([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[2].sequence, EEXIST, "taken", 24),
                                   scripted::verdict(requests[3].sequence, 0)};
    });
    CHECK(errnos == Errnos({ECANCELED, ECANCELED, EEXIST, ECANCELED, ECANCELED}));
  });

  test("without an offset, or with one that is no operation's, it was all of the message", [] {
    for (const uint32_t offset : {0, 12, 20, 40, 1'000'000}) {
      const Errnos errnos = answered([=](const std::vector<Request>& requests) {
        return std::vector<Datagram>{scripted::verdict(requests[2].sequence, ENOENT, {}, offset),
                                     scripted::verdict(requests[3].sequence, 0)};
      });
      CHECK(errnos == Errnos({ECANCELED, ENOENT, ENOENT, ENOENT, ECANCELED}));
    }
  });

  test("an offset in a message of one operation is that one's", [] {
    const Errnos errnos = answered([=](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[3].sequence, EBUSY, {}, 16)};
    });
    CHECK(errnos == Errnos({ECANCELED, ECANCELED, ECANCELED, ECANCELED, EBUSY}));
  });

  test("several refusals are each for itself, the last one among them", [] {
    const Errnos errnos = answered([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[1].sequence, ENOENT),
                                   scripted::verdict(requests[2].sequence, EEXIST, {}, 16),
                                   scripted::verdict(requests[3].sequence, EBUSY)};
    });
    CHECK(errnos == Errnos({ENOENT, EEXIST, ECANCELED, ECANCELED, EBUSY}));
  });

  test("a batch that is refused as a whole is refused for all", [] {
    const Errnos errnos = answered([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[0].sequence, EPERM)};
    });
    CHECK(errnos == Errnos(5, EPERM));
  });

  test("an acknowledgement after the refusal of the commit does not count, not for the next one either", [] {
    bool first = true;
    scripted::Kernel kernel([&](const std::vector<Request>& requests) {
      if (!std::exchange(first, false)) return std::vector<Datagram>{scripted::verdict(requests[3].sequence, 0)};
      return std::vector<Datagram>{scripted::verdict(requests[0].sequence, ENOMEM),
                                   scripted::verdict(requests[3].sequence, 0)};
    });
    Socket socket = kernel.connect();
    Answers answers;
    CHECK(send(socket, answers).ok() && answers.errnos == Errnos(5, ENOMEM));
    CHECK(send(socket, answers).ok() && answers.errnos == Errnos(5, 0));
  });

  test("an acknowledgement of begin, which 6.18 can send, is not yet the answer", [] {
    const Errnos errnos = answered([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[0].sequence, 0),
                                   scripted::verdict(requests[3].sequence, 0)};
    });
    CHECK(errnos == Errnos(5, 0));
  });
}

void lossTests() {
  test("silence, and answers to something else, leave all unknown", [] {
    CHECK(answered([](const std::vector<Request>&) { return std::vector<Datagram>{}; }) == allUnknown);
    const Errnos errnos = answered([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{
          scripted::verdict(requests[0].sequence - 1, EPERM), scripted::verdict(requests[4].sequence, 0),
          scripted::verdict(requests[4].sequence + 1, ENOENT), scripted::message(anyType, 0, requests[3].sequence)};
    });
    CHECK(errnos == allUnknown);
  });

  test("an acknowledgement beside what was dropped, cut off or unreadable leaves all unknown", [] {
    const auto acknowledged = scripted::linuxLike([](const Request&) { return 0; });
    faults::receive = {ENOBUFS};
    CHECK(answered(acknowledged, faults::calls()) == allUnknown);
    faults::receive = {faults::cut};
    CHECK(answered(acknowledged, faults::calls()) == allUnknown);
    for (const Datagram& unreadable : {Datagram{1, 2, 3}, scripted::verdict(0, 5000)}) {
      const Errnos errnos = answered([&](const std::vector<Request>& requests) {
        Datagram first = unreadable;
        const uint32_t sequence = requests[1].sequence;
        if (first.size() > 12) std::memcpy(first.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
        return std::vector<Datagram>{first, scripted::verdict(requests[3].sequence, 0)};
      });
      CHECK(errnos == allUnknown);
    }
  });

  test("a refusal is certain, whatever was lost beside it: nothing was done", [] {
    faults::receive = {0, ENOBUFS};
    const Errnos errnos = answered(
        [](const std::vector<Request>& requests) {
          return std::vector<Datagram>{scripted::verdict(requests[1].sequence, ENOENT),
                                       scripted::verdict(requests[3].sequence, 0)};
        },
        faults::calls());
    CHECK(errnos == Errnos({ENOENT, ECANCELED, ECANCELED, ECANCELED, ECANCELED}));
    faults::receive.clear();
  });

  test("a peer that hangs up leaves all unknown", [] {
    faults::receive = {ECONNRESET};
    CHECK(answered(scripted::linuxLike([](const Request&) { return 0; }), faults::calls()) == allUnknown);
    faults::receive.clear();
  });

  test("a flood of what nobody asked for ends with the time-out", [] {
    const auto flood = [](const std::vector<Request>& requests) {
      return std::vector<Datagram>(2000, scripted::verdict(requests[0].sequence - 1, 0));
    };
    const Errnos errnos = answered(flood, {}, 100);
    CHECK(errnos == allUnknown);
  });
}

}  // namespace

int main() {
  sendingTests();
  refusalTests();
  lossTests();
  return check::finish();
}
