// usage: scripted_peer MODE COMMAND…
// Runs COMMAND with one end of a socket pair as descriptor 3 and plays the kernel on the other; exits with its status.
// For tests from JavaScript, which cannot make a socket pair.
//
//   obedient    IPVS is family 32; every operation succeeds, a destination of weight 4242 is refused with ERANGE and
//   text slow        as obedient, each answer after 200 ms silent      no answer at all garbage     every request is
//   answered with 64 datagrams of noise, then truthfully noise       every request is answered with 64 datagrams of
//   noise truncated   answers are cut in the middle sequence    answers bear another sequence number endless     a dump
//   that never ends closing     hangs up at the first request

#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <poll.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "../netlink/attribute.h"
#include "scripted_kernel.h"

namespace {

using scripted::Datagram;
using scripted::Request;

constexpr uint16_t family = 32;

struct Peer {
  int fd;
  std::string mode;
  uint32_t random = 1;

  bool is(const char* name) const { return mode == name; }
};

uint32_t weightOf(const Request& request) {
  if (request.payload.size() < sizeof(genlmsghdr)) return 0;
  netlink::AttributeReader top(netlink::Bytes(request.payload).subspan(sizeof(genlmsghdr)));
  while (top.next()) {
    if (top.type() != IPVS_CMD_ATTR_DEST) continue;
    netlink::AttributeReader nest(top.payload());
    while (nest.next()) {
      if (nest.type() == IPVS_DEST_ATTR_WEIGHT) return nest.u32();
    }
  }
  return 0;
}

Datagram familyReply(const Request& request) {
  auto payload = Datagram{CTRL_CMD_NEWFAMILY, 2, 0, 0, 6, 0, CTRL_ATTR_FAMILY_ID, 0, 0, 0, 0, 0};
  std::memcpy(payload.data() + 8, &family, sizeof family);
  return scripted::message(GENL_ID_CTRL, 0, request.sequence, payload);
}

std::vector<Datagram> truthOf(const Request& request) {
  if (request.type == GENL_ID_CTRL) return {familyReply(request), scripted::verdict(request.sequence, 0)};
  if ((request.flags & NLM_F_DUMP) == NLM_F_DUMP) return {scripted::done(request.sequence)};
  if (weightOf(request) == 4242) return {scripted::verdict(request.sequence, ERANGE, "weight 4242 is not liked")};
  if (request.flags & NLM_F_ACK) return {scripted::verdict(request.sequence, 0)};
  return {};
}

Datagram noise(Peer& peer) {
  Datagram bytes(1 + peer.random % 400);
  for (uint8_t& byte : bytes) {
    peer.random = peer.random * 1'664'525 + 1'013'904'223;
    byte = static_cast<uint8_t>(peer.random >> 24);
  }
  return bytes;
}

bool send(const Peer& peer, const Datagram& datagram) {
  return ::send(peer.fd, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0;
}

bool tell(Peer& peer, const Request& request, Datagram datagram) {
  if (peer.is("slow")) ::usleep(200'000);
  if (peer.is("truncated") && request.type != GENL_ID_CTRL) datagram.resize(datagram.size() / 2);
  if (peer.is("sequence") && request.type != GENL_ID_CTRL) ++datagram[offsetof(nlmsghdr, nlmsg_seq)];
  return send(peer, datagram);
}

bool answer(Peer& peer, const Request& request) {
  if (peer.is("silent")) return true;
  if (peer.is("closing")) return false;
  if (peer.is("endless") && (request.flags & NLM_F_DUMP) == NLM_F_DUMP) {
    while (send(peer, scripted::message(NLMSG_NOOP, NLM_F_MULTI, request.sequence - 1))) continue;
    return false;
  }
  const bool noisy = peer.is("noise") || peer.is("garbage");
  for (int i = 0; noisy && i < 64; ++i) send(peer, noise(peer));
  if (peer.is("noise") && request.type != GENL_ID_CTRL) return true;
  for (Datagram& datagram : truthOf(request)) {
    if (!tell(peer, request, std::move(datagram))) return false;
  }
  return true;
}

void play(Peer& peer) {
  std::vector<uint8_t> buffer(1 << 20);
  while (peer.is("babbling") && send(peer, noise(peer))) ::usleep(10'000);
  for (;;) {
    const ssize_t size = ::recv(peer.fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) return;
    for (const Request& request : scripted::requestsIn({buffer.data(), static_cast<size_t>(size)})) {
      if (!answer(peer, request)) return;
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  int ends[2];
  if (count < 3 || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return 64;
  const pid_t child = ::fork();
  if (child == 0) {
    if (ends[1] == 3) ::fcntl(3, F_SETFD, 0);
    if (ends[1] != 3) ::dup2(ends[1], 3);
    ::execvp(arguments[2], arguments + 2);
    std::perror(arguments[2]);
    ::_exit(127);
  }
  ::close(ends[1]);
  Peer peer{.fd = ends[0], .mode = arguments[1]};
  play(peer);
  ::close(peer.fd);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
