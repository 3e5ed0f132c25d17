#include "batch.h"

#include <errno.h>

#include <algorithm>
#include <utility>

namespace netlink {

namespace {

// True size of an error reply as the kernel counts it against SO_RCVBUF, struct sk_buff and slab object included: 768
// bytes on 6.1, 832 on 6.18 (SO_MEMINFO); an extended-ack text of more than a line takes the next slab, 1 280.
constexpr size_t errorReplySize = 1280;
// Batches that nothing at all was answered to, after which the rest is not sent: the kernel answers while send
// runs, so a second silence is a peer that has stopped listening.
constexpr int muteBatches = 2;

bool tooMuchAtOnce(int error) {
  return error == EMSGSIZE || error == ENOBUFS || error == EAGAIN || error == ENOMEM;
}

}  // namespace

Batches::Batches(Socket& socket, Answers& answers, ReplySink sink, size_t replySize)
    : socket_(socket), answers_(answers), sink_(sink) {
  const size_t fit = socket.receiveCapacity() / (errorReplySize + replySize);
  limit_ = std::clamp<size_t>(fit, 1, mostMessages);
}

MessageWriter& Batches::begin(uint32_t index, uint16_t type, uint16_t flags) {
  if (count_ == limit_ || socket_.sendBuffer().size() - used_ < messageRoom) settle();
  if (count_ == 0) firstSequence_ = socket_.reserveSequences(mostMessages);
  slots_[count_] = {.index = index, .offset = static_cast<uint32_t>(used_), .answered = false};
  writer_ = MessageWriter(socket_.sendBuffer().subspan(used_, messageRoom));
  writer_.begin(type, flags | NLM_F_REQUEST, firstSequence_ + static_cast<uint32_t>(count_));
  return writer_;
}

void Batches::commit() {
  const size_t size = writer_.finish();
  if (size == 0) {
    // Nothing that a record can hold fills messageRoom; an answer rather than an assertion if it ever does.
    answers_.errnos[slots_[count_].index] = EMSGSIZE;
    return;
  }
  used_ += size;
  ++count_;
}

Outcome Batches::finish() {
  settle();
  return reached_ ? Outcome{} : broken_;
}

void Batches::settle() {
  if (count_ != 0 && broken_.ok()) deliver({.first = 0, .count = count_});
  count_ = 0;
  used_ = 0;
}

std::span<uint8_t> Batches::bytesOf(Part part) {
  const size_t begin = slots_[part.first].offset;
  const size_t next = part.first + part.count;
  const size_t end = next == count_ ? used_ : slots_[next].offset;
  return socket_.sendBuffer().subspan(begin, end - begin);
}

// Recursion halves the part each time: ten deep at most.
void Batches::deliver(Part part) {
  if (!broken_.ok()) return;
  uint8_t* last = socket_.sendBuffer().data() + slots_[part.first + part.count - 1].offset;
  uint16_t flags = load<uint16_t>(last + offsetof(nlmsghdr, nlmsg_flags));
  flags |= NLM_F_ACK;
  std::memcpy(last + offsetof(nlmsghdr, nlmsg_flags), &flags, sizeof flags);

  const int error = send(part);
  if (error == 0) {
    reached_ = true;
    if (!acknowledged(part)) return;
    for (size_t i = part.first; i < part.first + part.count; ++i) {
      if (!slots_[i].answered) answers_.errnos[slots_[i].index] = 0;
    }
  } else if (tooMuchAtOnce(error) && part.count > 1) {
    const size_t half = part.count / 2;
    deliver({.first = part.first, .count = half});
    deliver({.first = part.first + half, .count = part.count - half});
  } else if (tooMuchAtOnce(error)) {
    // The kernel did not take it, so its fate is known.
    record(slots_[part.first], {.error = error, .text = {}});
  } else {
    broken_ = failure(error, "send");
  }
}

int Batches::send(Part part) {
  int error = socket_.send(bytesOf(part));
  if (error == EAGAIN && !std::exchange(waited_, true)) {
    socket_.awaitRoom(socket_.deadline());
    error = socket_.send(bytesOf(part));
  }
  return error;
}

// Reads answers until the last message's is in; true if silence means success.
bool Batches::acknowledged(Part part) {
  const Slot& last = slots_[part.first + part.count - 1];
  const Deadline deadline = socket_.deadline();
  Deadline patience = deadline;
  Hearing hearing;
  while (!last.answered) {
    const Received received = socket_.receive(patience);
    if (received.kind == Received::Kind::datagram) {
      read(part, received.datagram, hearing);
      if (deadline.passed()) break;  // a flood of what nobody asked for
    } else if (received.kind == Received::Kind::overrun || received.kind == Received::Kind::truncated) {
      // Only what is queued already is read from here on: the answer that would end the wait may be what was lost.
      patience = Deadline::now();
      hearing.any = hearing.lost = true;
    } else {
      if (received.kind == Received::Kind::broken) broken_ = failure(received.error, "recvmsg");
      break;
    }
  }
  mute_ = hearing.any ? 0 : mute_ + 1;
  if (mute_ == muteBatches) broken_ = failure(ETIMEDOUT, "recvmsg");
  return last.answered && !hearing.lost;
}

void Batches::read(Part part, Bytes datagram, Hearing& hearing) {
  MessageReader reader(datagram);
  Message message;
  while (reader.next(message)) {
    const uint32_t position = message.sequence - firstSequence_;
    if (position < part.first || position >= part.first + part.count) continue;
    Slot& slot = slots_[position];
    Verdict verdict;
    if (message.type == NLMSG_ERROR) {
      hearing.any = true;
      if (unpackError(message, verdict)) {
        record(slot, verdict);
      } else {
        hearing.lost = true;
      }
    } else if (message.type >= NLMSG_MIN_TYPE) {
      hearing.any = true;
      sink_(slot.index, message);
    }
  }
  if (!reader.wellFormed()) hearing.lost = true;
}

void Batches::record(Slot& slot, const Verdict& verdict) {
  if (slot.answered) return;
  slot.answered = true;
  answers_.errnos[slot.index] = verdict.error;
  if (!verdict.text.empty()) answers_.texts.push_back({slot.index, std::string(verdict.text)});
}

namespace {

Outcome exchange(Socket& socket, const char* name, FunctionRef<void(Batches&)> pack, ReplySink sink) {
  Answers answers(1);
  Batches batches(socket, answers, sink);
  pack(batches);
  Outcome outcome = batches.finish();
  if (!outcome.ok()) return outcome;
  const int32_t error = answers.errnos[0];
  if (error == unknown) return batches.trouble().ok() ? failure(ETIMEDOUT, name) : batches.trouble();
  if (error != 0) {
    return failure(error, name, answers.texts.empty() ? "" : answers.texts[0].text);
  }
  return {};
}

}  // namespace

Outcome request(Socket& socket, const char* name, FunctionRef<void(Batches&)> pack,
                FunctionRef<bool(const Message&)> unpack) {
  bool understood = false;
  bool refused = false;
  auto sink = [&](uint32_t, const Message& reply) { (unpack(reply) ? understood : refused) = true; };
  Outcome outcome = exchange(socket, name, pack, sink);
  if (outcome.ok() && (refused || !understood)) return failure(EBADMSG, name);
  return outcome;
}

Outcome command(Socket& socket, const char* name, FunctionRef<void(Batches&)> pack) {
  auto sink = [](uint32_t, const Message&) {};
  return exchange(socket, name, pack, sink);
}

}  // namespace netlink
