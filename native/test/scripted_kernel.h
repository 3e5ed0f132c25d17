// A kernel that does as it is told: the other end of a socket pair, on a thread of its own.
#pragma once

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string_view>
#include <vector>

#include "../netlink/message.h"
#include "../netlink/socket.h"

namespace scripted {

using Datagram = std::vector<uint8_t>;

/// A message as the kernel would send it.
inline Datagram message(uint16_t type, uint16_t flags, uint32_t sequence, netlink::Bytes payload = {}) {
  Datagram datagram(NLMSG_SPACE(payload.size()));
  const nlmsghdr header{.nlmsg_len = static_cast<uint32_t>(NLMSG_LENGTH(payload.size())),
                        .nlmsg_type = type,
                        .nlmsg_flags = flags,
                        .nlmsg_seq = sequence,
                        .nlmsg_pid = 1};
  std::memcpy(datagram.data(), &header, sizeof header);
  if (!payload.empty()) std::memcpy(datagram.data() + NLMSG_HDRLEN, payload.data(), payload.size());
  return datagram;
}

/// NLMSG_ERROR, capped, with extended-ack text and offset of the attribute at fault if there are any.
inline Datagram verdict(uint32_t sequence, int error, std::string_view text = {}, uint32_t offset = 0) {
  std::vector<uint8_t> payload(sizeof(nlmsgerr) + NLA_HDRLEN + NLMSG_ALIGN(text.size() + 1) + 8);
  netlink::MessageWriter writer(payload);
  nlmsgerr header{};
  header.error = -error;
  header.msg.nlmsg_len = NLMSG_HDRLEN;
  header.msg.nlmsg_seq = sequence;
  writer.header(header);
  if (!text.empty()) writer.string(NLMSGERR_ATTR_MSG, text);
  if (offset != 0) writer.u32(NLMSGERR_ATTR_OFFS, offset);
  payload.resize(writer.size());
  const bool extended = !text.empty() || offset != 0;
  return message(NLMSG_ERROR, extended ? NLM_F_CAPPED | NLM_F_ACK_TLVS : NLM_F_CAPPED, sequence, payload);
}

inline Datagram done(uint32_t sequence, int error = 0, uint16_t flags = NLM_F_MULTI) {
  const int32_t number = -error;
  return message(NLMSG_DONE, flags, sequence, {reinterpret_cast<const uint8_t*>(&number), sizeof number});
}

struct Request {
  uint16_t type;
  uint16_t flags;
  uint32_t sequence;
  Datagram payload;
};

inline std::vector<Request> requestsIn(netlink::Bytes datagram) {
  std::vector<Request> requests;
  netlink::MessageReader reader(datagram);
  netlink::Message read;
  while (reader.next(read)) {
    requests.push_back({read.type, read.flags, read.sequence, {read.payload.begin(), read.payload.end()}});
  }
  return requests;
}

/// Says what is sent back for one datagram of requests.
using Script = std::function<std::vector<Datagram>(const std::vector<Request>&)>;

class Kernel {
 public:
  explicit Kernel(Script script) : script_(std::move(script)) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    ours_ = netlink::Descriptor(ends[0]);
    theirs_ = netlink::Descriptor(ends[1]);
    const int size = 4 << 20;
    ::setsockopt(ours_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    pthread_create(&thread_, nullptr, run, this);
  }
  ~Kernel() {
    ::shutdown(ours_.get(), SHUT_RDWR);
    pthread_join(thread_, nullptr);
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// A socket that talks to this kernel.
  netlink::Socket connect(int timeoutMilliseconds = 5000, const netlink::SystemCalls& calls = {},
                          int kernelBufferSize = 8 << 20) const {
    netlink::Socket socket(calls);
    socket.open(0, {.networkNamespace = {},
                    .descriptor = theirs_.get(),
                    .timeoutMilliseconds = timeoutMilliseconds,
                    .kernelBufferSize = kernelBufferSize});
    return socket;
  }

  /// The datagrams that came so far; call it when nothing is under way.
  const std::vector<std::vector<Request>>& heard() const { return heard_; }

 private:
  static void* run(void* self) {
    static_cast<Kernel*>(self)->listen();
    return nullptr;
  }
  void listen() {
    std::vector<uint8_t> buffer(1 << 20);
    for (;;) {
      const ssize_t size = ::recv(ours_.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) return;
      heard_.push_back(requestsIn({buffer.data(), static_cast<size_t>(size)}));
      for (const Datagram& reply : script_(heard_.back())) {
        if (::send(ours_.get(), reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return;
      }
    }
  }

  Script script_;
  netlink::Descriptor ours_;
  netlink::Descriptor theirs_;
  pthread_t thread_{};
  std::vector<std::vector<Request>> heard_;
};

/// Answers as Linux does: errors as `errorOf` says, and what asks for an acknowledgement gets one.
inline Script linuxLike(std::function<int(const Request&)> errorOf, std::string_view text = {}) {
  return [errorOf = std::move(errorOf), text](const std::vector<Request>& requests) {
    std::vector<Datagram> replies;
    for (const Request& request : requests) {
      const int error = errorOf(request);
      if (error != 0 || (request.flags & NLM_F_ACK) != 0) {
        replies.push_back(verdict(request.sequence, error, error != 0 ? text : std::string_view{}));
      }
    }
    return replies;
  };
}

}  // namespace scripted
