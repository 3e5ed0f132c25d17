#include "../netlink/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/stat.h>

#include "check.h"
#include "scripted_kernel.h"

using check::test;
using netlink::Deadline;
using netlink::Outcome;
using netlink::Received;
using netlink::Socket;

namespace {

Outcome open(const netlink::SocketOptions& options) {
  Socket socket;
  return socket.open(NETLINK_ROUTE, options);
}

bool isOpen(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

ino_t networkNamespace() {
  struct stat status {};
  ::stat("/proc/thread-self/ns/net", &status);
  return status.st_ino;
}

}  // namespace

int main() {
  test("a namespace that is not there fails in open, with its path", [] {
    const Outcome outcome = open({.networkNamespace = "no-such-namespace"});
    CHECK(outcome.error == ENOENT && std::string_view(outcome.call) == "open");
    CHECK(outcome.text == "/run/netns/no-such-namespace");
    CHECK(open({.networkNamespace = "/no/such/path"}).text == "/no/such/path");
  });

  test("a file that is no namespace fails in setns", [] {
    const Outcome outcome = open({.networkNamespace = "/proc/self/status"});
    CHECK(!outcome.ok() && std::string_view(outcome.call) == "setns");
  });

  test("a descriptor that is none fails", [] {
    const Outcome outcome = open({.networkNamespace = {}, .descriptor = 999'999});
    CHECK(outcome.error == EBADF && std::string_view(outcome.call) == "fcntl");
  });

  test("opening by namespace leaves the calling thread where it was", [] {
    const ino_t before = networkNamespace();
    open({.networkNamespace = "/proc/self/ns/net"});
    CHECK(networkNamespace() == before && before != 0);
  });

  test("an adopted descriptor is duplicated: both owners close their own", [] {
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    int adopted = -1;
    {
      Socket socket;
      CHECK(socket.open(0, {.networkNamespace = {}, .descriptor = ends[0]}).ok());
      adopted = socket.descriptor();
      CHECK(adopted != ends[0] && isOpen(adopted));
    }
    CHECK(!isOpen(adopted) && isOpen(ends[0]));
    ::close(ends[0]);
    ::close(ends[1]);
  });

  test("a socket moves with its descriptor", [] {
    Socket first;
    CHECK(first.open(NETLINK_ROUTE, {}).ok());
    const int fd = first.descriptor();
    Socket second(std::move(first));
    CHECK(second.descriptor() == fd && first.descriptor() == -1 && isOpen(fd));
  });

  test("nothing comes within the deadline", [] {
    Socket socket;
    CHECK(socket.open(NETLINK_ROUTE, {}).ok());
    CHECK(socket.receive(Deadline::inMilliseconds(20)).kind == Received::Kind::nothing);
    CHECK(socket.receive(Deadline::now()).kind == Received::Kind::nothing);
  });

  test("a signal storm does not outlast the deadline", [] {
    Socket socket({.send = ::send,
                   .receive = [](int, msghdr*, int) -> ssize_t {
                     errno = EINTR;
                     return -1;
                   },
                   .wait = ::poll});
    CHECK(socket.open(NETLINK_ROUTE, {}).ok());
    CHECK(socket.receive(Deadline::inMilliseconds(20)).kind == Received::Kind::nothing);
  });

  test("the end of a stream, and a descriptor that is no socket, are broken", [] {
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    Socket stream;
    CHECK(stream.open(0, {.networkNamespace = {}, .descriptor = ends[0]}).ok());
    ::close(ends[1]);
    const Received end = stream.receive(Deadline::inMilliseconds(100));
    CHECK(end.kind == Received::Kind::broken && end.error == ECONNRESET);
    CHECK(stream.send(check::hex("00000000")) == EPIPE);
    ::close(ends[0]);
    Socket file;
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK(file.open(0, {.networkNamespace = {}, .descriptor = fd}).ok());
    CHECK(file.receive(Deadline::inMilliseconds(100)).error == ENOTSOCK);
    ::close(fd);
  });

  test("a datagram larger than the send buffer goes once it is allowed", [] {
    Socket socket;
    CHECK(socket.open(NETLINK_ROUTE, {.networkNamespace = {}, .kernelBufferSize = 1}).ok());
    const auto large = scripted::message(NLMSG_NOOP, 0, 1, std::vector<uint8_t>(200'000));
    CHECK(socket.send(large) == EMSGSIZE);
    socket.allowSending(large.size());
    CHECK(socket.send(large) == 0);
  });

  test("sequence numbers are never 0 and never run into each other", [] {
    Socket socket;
    uint32_t before = socket.reserveSequences(1000);
    for (int i = 0; i < 3; ++i) {
      const uint32_t first = socket.reserveSequences(0x7fffffff);
      CHECK(first != 0 && first + 0x7ffffffe >= first && first != before);
      before = first;
    }
  });

  test("the kernel answers at once: an error of a real socket is read", [] {
    Socket socket;
    CHECK(socket.open(NETLINK_ROUTE, {}).ok());
    CHECK(socket.receiveCapacity() >= 212'992);
    CHECK(socket.send(scripted::message(0x7fff, NLM_F_REQUEST | NLM_F_ACK, 5)) == 0);
    const Received received = socket.receive(Deadline::now());
    netlink::MessageReader reader(received.datagram);
    netlink::Message message;
    netlink::Verdict verdict;
    CHECK(reader.next(message) && message.sequence == 5 && unpackError(message, verdict) && verdict.error != 0);
  });

  return check::finish();
}
