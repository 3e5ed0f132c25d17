#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <span>
#include <string>
#include <vector>

#include "bytes.h"
#include "clock.h"
#include "descriptor.h"
#include "outcome.h"

namespace netlink {

/// The system calls an open socket makes. Tests hand in their own to make a kernel fail on purpose.
struct SystemCalls {
  ssize_t (*send)(int, const void*, size_t, int) = ::send;
  ssize_t (*receive)(int, msghdr*, int) = ::recvmsg;
  int (*wait)(pollfd*, nfds_t, int) = ::poll;
};

struct SocketOptions {
  /// A name under /run/netns or an absolute path; "" is the calling thread's namespace.
  std::string networkNamespace;
  /// Talk over a duplicate of this descriptor instead of opening a netlink socket; -1 opens one.
  int descriptor = -1;
  /// How long an answer is waited for.
  int timeoutMilliseconds = 10'000;
  /// Asked of the kernel for each direction; it doubles the number for its own bookkeeping.
  int kernelBufferSize = 8 * 1024 * 1024;
};

/// What one receive brought.
struct Received {
  enum class Kind {
    datagram,
    nothing,    // none until the deadline
    overrun,    // ENOBUFS: the kernel dropped answers, what is queued can still be read
    truncated,  // a datagram larger than the buffer, cut off
    broken,     // nothing will come any more; `error` says why
  };
  Kind kind = Kind::nothing;
  Bytes datagram;
  int error = 0;
};

/// A netlink socket connected to the kernel, with a buffer for each direction. One thread at a time.
class Socket {
 public:
  Socket() = default;
  explicit Socket(const SystemCalls& calls) : calls_(calls) {}

  /// Opens (or adopts) and connects. Connected, the kernel is the only one whose datagrams get in.
  Outcome open(int protocol, const SocketOptions& options);
  /// Subscribes to a multicast group (RTNLGRP_…).
  Outcome join(unsigned group);

  /// Hands one datagram to the kernel, which handles it before this returns: 0 or an errno.
  int send(Bytes datagram);
  /// Waits until the deadline at the latest; the bytes are good until the next receive.
  Received receive(Deadline deadline);
  /// Lets one datagram be this large where the kernel allows it.
  void allowSending(size_t size);
  /// Waits until there is room to send.
  void awaitRoom(Deadline deadline);
  /// Throws away what is queued.
  void drain();
  /// Doubles the receive buffer; false once it is as large as it gets.
  bool growReceiveBuffer();

  /// The first of `count` consecutive sequence numbers that no other request uses. None is 0, which the kernel puts
  /// on what nobody asked for.
  uint32_t reserveSequences(uint32_t count);
  std::span<uint8_t> sendBuffer() { return sendBuffer_; }
  /// SO_RCVBUF as the kernel counts it: the sum of the true sizes of queued buffers may not exceed it.
  size_t receiveCapacity() const { return receiveCapacity_; }
  Deadline deadline() const { return Deadline::inMilliseconds(timeout_); }
  int descriptor() const { return socket_.get(); }

 private:
  void configure(int kernelBufferSize);

  Descriptor socket_;
  SystemCalls calls_;
  std::vector<uint8_t> sendBuffer_;
  std::vector<uint8_t> receiveBuffer_;
  size_t receiveCapacity_ = 0;
  uint32_t nextSequence_ = 1;
  int timeout_ = 0;
};

}  // namespace netlink
