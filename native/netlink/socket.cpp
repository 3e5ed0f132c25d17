#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>

#include <algorithm>
#include <limits>

#include "network_namespace.h"

namespace netlink {

namespace {

// The kernel copies a datagram into one buffer; up to this size sending in larger pieces still gains.
constexpr size_t sendBufferSize = 64 * 1024;
// A dump fills datagrams as large as the largest buffer seen, up to 32 KiB (netlink_dump, since 3.13).
constexpr size_t receiveBufferSize = 64 * 1024;
constexpr size_t largestReceiveBuffer = 1024 * 1024;

void setOption(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

Outcome Socket::open(int protocol, const SocketOptions& options) {
  if (options.descriptor >= 0) {
    socket_ = Descriptor(::fcntl(options.descriptor, F_DUPFD_CLOEXEC, 0));
    if (!socket_) return failure(errno, "fcntl");
  } else {
    Outcome opened = openSocket(protocol, options.networkNamespace, socket_);
    if (!opened.ok()) return opened;
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) != 0) {
      return failure(errno, "connect");
    }
  }
  timeout_ = options.timeoutMilliseconds;
  sendBuffer_.resize(sendBufferSize);
  receiveBuffer_.resize(receiveBufferSize);
  // Answers that were due to an earlier owner of an adopted descriptor, or of a reused port, do not match.
  nextSequence_ = static_cast<uint32_t>(monotonic());
  configure(options.kernelBufferSize);
  return {};
}

// Each option makes things better where the kernel has it and is not missed where it does not: hence no checks.
void Socket::configure(int kernelBufferSize) {
  const int fd = socket_.get();
  // The FORCE forms pass net.core.{r,w}mem_max and need CAP_NET_ADMIN.
  setOption(fd, SOL_SOCKET, SO_RCVBUF, kernelBufferSize);
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, kernelBufferSize);
  setOption(fd, SOL_SOCKET, SO_SNDBUF, kernelBufferSize);
  setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, kernelBufferSize);
  setOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  // Lets dumps be filtered by device and table in the kernel (4.20); without it the reader still filters.
  setOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  int granted = 0;
  socklen_t size = sizeof granted;
  ::getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &size);
  receiveCapacity_ = granted > 0 ? static_cast<size_t>(granted) : 0;
}

Outcome Socket::join(unsigned group) {
  const int number = static_cast<int>(group);
  if (::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &number, sizeof number) == 0) return {};
  return failure(errno, "setsockopt");
}

int Socket::send(Bytes datagram) {
  for (;;) {
    // MSG_NOSIGNAL: an adopted descriptor may be a closed pipe.
    const ssize_t sent = calls_.send(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(datagram.size())) return 0;
    if (sent >= 0) return EPIPE;  // a stream that took half a datagram cannot be resynchronised
    if (errno != EINTR) return errno;
  }
}

void Socket::allowSending(size_t size) {
  int granted = 0;
  socklen_t length = sizeof granted;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &granted, &length);
  // What is granted is twice what was asked for, and netlink_sendmsg (6.1) takes as much less 32 bytes.
  if (granted > 0 && size <= static_cast<size_t>(granted) / 2) return;
  const int wanted = static_cast<int>(std::min<size_t>(size, std::numeric_limits<int>::max() / 2));
  setOption(socket_.get(), SOL_SOCKET, SO_SNDBUF, wanted);
  setOption(socket_.get(), SOL_SOCKET, SO_SNDBUFFORCE, wanted);
}

void Socket::awaitRoom(Deadline deadline) {
  pollfd state{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  calls_.wait(&state, 1, deadline.milliseconds());
}

Received Socket::receive(Deadline deadline) {
  for (;;) {
    sockaddr_nl sender{};
    iovec buffer{.iov_base = receiveBuffer_.data(), .iov_len = receiveBuffer_.size()};
    msghdr header{};
    header.msg_name = &sender;
    header.msg_namelen = sizeof sender;
    header.msg_iov = &buffer;
    header.msg_iovlen = 1;
    const ssize_t size = calls_.receive(socket_.get(), &header, MSG_DONTWAIT);
    if (size > 0) {
      const bool foreign = header.msg_namelen == sizeof sender && sender.nl_family == AF_NETLINK && sender.nl_pid != 0;
      if (!foreign) {
        const bool cut = (header.msg_flags & MSG_TRUNC) != 0 || static_cast<size_t>(size) > receiveBuffer_.size();
        if (cut) return {.kind = Received::Kind::truncated, .datagram = {}, .error = 0};
        return {.kind = Received::Kind::datagram,
                .datagram = {receiveBuffer_.data(), static_cast<size_t>(size)},
                .error = 0};
      }
    } else if (size == 0) {
      return {.kind = Received::Kind::broken, .datagram = {}, .error = ECONNRESET};
    } else if (errno == ENOBUFS) {
      return {.kind = Received::Kind::overrun, .datagram = {}, .error = ENOBUFS};
    } else if (errno == EAGAIN) {
      pollfd state{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      const int left = deadline.milliseconds();
      if (left == 0) return {};
      calls_.wait(&state, 1, left);
      continue;
    } else if (errno != EINTR) {
      return {.kind = Received::Kind::broken, .datagram = {}, .error = errno};
    }
    // Interrupted or not ours: once more, but a flood of either does not outlast the deadline.
    if (deadline.passed()) return {};
  }
}

void Socket::drain() {
  // Bounded, because an adopted peer can write as fast as this reads.
  for (int datagrams = 0; datagrams < 65'536; ++datagrams) {
    const Received received = receive(Deadline::now());
    if (received.kind == Received::Kind::nothing || received.kind == Received::Kind::broken) return;
  }
}

bool Socket::growReceiveBuffer() {
  if (receiveBuffer_.size() >= largestReceiveBuffer) return false;
  receiveBuffer_.resize(receiveBuffer_.size() * 2);
  return true;
}

uint32_t Socket::reserveSequences(uint32_t count) {
  if (nextSequence_ == 0 || nextSequence_ + count < nextSequence_) nextSequence_ = 1;
  const uint32_t first = nextSequence_;
  nextSequence_ += count;
  return first;
}

}  // namespace netlink
