// System calls that fail on purpose. They have no place for state, so what they are to answer is here.
#pragma once

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <deque>

#include "../netlink/socket.h"

namespace faults {

/// A receive that gives a truncated datagram.
inline constexpr int cut = -1;

/// The errnos that the next calls fail with, 0 for a call that is made; empty: all are made.
inline std::deque<int> send;
inline std::deque<int> receive;

inline int next(std::deque<int>& queue) {
  if (queue.empty()) return 0;
  const int error = queue.front();
  queue.pop_front();
  return error;
}

inline netlink::SystemCalls calls() {
  netlink::SystemCalls calls;
  calls.send = [](int fd, const void* bytes, size_t size, int flags) -> ssize_t {
    const int error = next(send);
    if (error == 0) return ::send(fd, bytes, size, flags);
    errno = error;
    return -1;
  };
  calls.receive = [](int fd, msghdr* header, int flags) -> ssize_t {
    if (receive.empty()) return ::recvmsg(fd, header, flags);
    // A fault stands for something that happened to a datagram: it waits until there is one.
    pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
    ::poll(&state, 1, 1000);
    const int error = next(receive);
    if (error == 0) return ::recvmsg(fd, header, flags);
    if (error == cut) {
      const ssize_t size = ::recvmsg(fd, header, flags);
      header->msg_flags |= MSG_TRUNC;
      return size;
    }
    errno = error;
    return -1;
  };
  return calls;
}

}  // namespace faults
