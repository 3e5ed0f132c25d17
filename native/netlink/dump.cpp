#include "dump.h"

#include <errno.h>

namespace netlink {

namespace {

constexpr int tries = 8;
constexpr size_t requestRoom = 512;

// What is known of the try under way.
struct Progress {
  uint32_t sequence;
  bool done = false;
  bool incomplete = false;  // must be started again
  bool heard = false;       // the last datagram held something of this dump
  Outcome outcome;
};

void finish(Progress& progress, const DumpRequest& request, bool readable, const Verdict& verdict) {
  progress.done = true;
  if (!readable) progress.outcome = failure(EBADMSG, request.name);
  // EBUSY: an earlier dump on this socket was given up half way and is still open.
  if (verdict.error == EBUSY || verdict.error == EINTR) {
    progress.incomplete = true;
  } else if (verdict.error != 0) {
    progress.outcome = failure(verdict.error, request.name, std::string(verdict.text));
  }
}

void read(Progress& progress, const DumpRequest& request, Bytes datagram) {
  MessageReader reader(datagram);
  Message message;
  progress.heard = false;
  while (!progress.done && reader.next(message)) {
    if (message.sequence != progress.sequence) continue;  // left over from a dump that was given up
    progress.heard = true;
    if (message.flags & NLM_F_DUMP_INTR) progress.incomplete = true;
    Verdict verdict;
    if (message.type == NLMSG_DONE) {
      const bool readable = unpackDone(message, verdict);
      finish(progress, request, readable, verdict);
    } else if (message.type == NLMSG_ERROR) {
      const bool readable = unpackError(message, verdict);
      finish(progress, request, readable, verdict);
    } else if (message.type >= NLMSG_MIN_TYPE && !progress.incomplete && !request.unpack(message)) {
      progress.done = true;
      progress.outcome = failure(EBADMSG, request.name);
    }
  }
  if (!reader.wellFormed()) progress.incomplete = true;
}

// One try, read to its end even if it is known to be useless: the kernel refuses the next dump until then.
void receive(Socket& socket, const DumpRequest& request, Progress& progress) {
  Deadline deadline = socket.deadline();
  while (!progress.done) {
    const Received received = socket.receive(deadline);
    switch (received.kind) {
      case Received::Kind::datagram:
        read(progress, request, received.datagram);
        if (progress.heard) deadline = socket.deadline();
        if (deadline.passed()) {
          progress.done = true;
          progress.outcome = failure(ETIMEDOUT, request.name);
        }
        break;
      case Received::Kind::truncated:
        socket.growReceiveBuffer();
        progress.incomplete = true;
        break;
      case Received::Kind::overrun:
        progress.incomplete = true;
        break;
      case Received::Kind::nothing:
        // What was lost may have been the end, so a silence after a loss is no failure of its own.
        progress.done = true;
        if (!progress.incomplete) progress.outcome = failure(ETIMEDOUT, request.name);
        break;
      case Received::Kind::broken:
        progress.done = true;
        progress.outcome = failure(received.error, "recvmsg");
        break;
    }
  }
}

}  // namespace

Outcome dump(Socket& socket, const DumpRequest& request) {
  for (int attempt = 0; attempt < tries; ++attempt) {
    Progress progress{.sequence = socket.reserveSequences(1), .outcome = {}};
    MessageWriter writer(socket.sendBuffer().first(requestRoom));
    writer.begin(request.type, NLM_F_REQUEST | NLM_F_DUMP, progress.sequence);
    request.pack(writer);
    const size_t size = writer.finish();
    if (size == 0) return failure(EMSGSIZE, request.name);
    request.restart();
    const int error = socket.send(socket.sendBuffer().first(size));
    if (error != 0) return failure(error, "send");
    receive(socket, request, progress);
    if (!progress.outcome.ok() || !progress.incomplete) return progress.outcome;
    socket.drain();
  }
  return {.error = EINTR, .call = request.name, .code = dumpInterrupted, .text = {}};
}

}  // namespace netlink
