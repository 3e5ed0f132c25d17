#include "nftables_transaction.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

#include "nftables_codec.h"

namespace nftables {

using netlink::Bytes;
using netlink::Deadline;
using netlink::Message;
using netlink::MessageReader;
using netlink::MessageWriter;
using netlink::Outcome;
using netlink::Received;
using netlink::Verdict;

namespace {

constexpr size_t markRoom = 64;

}  // namespace

MessageWriter& Transaction::begin(uint32_t index, uint16_t type, uint16_t flags, size_t room) {
  if (slots_.empty()) append(NFNL_MSG_BATCH_BEGIN);
  slots_.push_back({.offset = used_, .firstMark = marks_.size(), .index = index, .end = index});
  datagram_.resize(used_ + room);
  writer_ = MessageWriter(std::span<uint8_t>(datagram_).subspan(used_));
  writer_.begin(type, flags | NLM_F_REQUEST, 0);
  return writer_;
}

void Transaction::mark(uint32_t index) {
  marks_.push_back({.offset = writer_.size(), .index = index});
}

void Transaction::commit(uint32_t end) {
  const size_t size = writer_.finish();
  // Nothing that a record can hold fills its room; an error rather than an assertion if it ever does.
  if (size == 0) failed_ = true;
  slots_.back().end = end;
  used_ += size;
}

Outcome Transaction::finish() {
  if (slots_.empty()) return {};
  append(NFNL_MSG_BATCH_END);
  if (failed_) return netlink::failure(EMSGSIZE, "NFNL_MSG_BATCH_BEGIN");
  const uint32_t firstSequence = socket_.reserveSequences(static_cast<uint32_t>(slots_.size()) + 2);
  number(firstSequence);
  const int error = send();
  if (error != 0) return netlink::failure(error, "send");
  settle(listen(firstSequence));
  return {};
}

void Transaction::append(uint16_t type) {
  datagram_.resize(used_ + markRoom);
  MessageWriter writer(std::span<uint8_t>(datagram_).subspan(used_));
  writer.begin(type, NLM_F_REQUEST, 0);
  packBatchMark(writer);
  used_ += writer.finish();
}

// BATCH_BEGIN gets the first sequence number, each message the next; the first message its NLM_F_ECHO, the last its
// NLM_F_ACK.
void Transaction::number(uint32_t firstSequence) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const uint32_t sequence = firstSequence + 1 + static_cast<uint32_t>(i);
    std::memcpy(datagram_.data() + slots_[i].offset + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
  }
  std::memcpy(datagram_.data() + offsetof(nlmsghdr, nlmsg_seq), &firstSequence, sizeof firstSequence);
  addFlag(slots_.front(), NLM_F_ECHO);
  addFlag(slots_.back(), NLM_F_ACK);
}

void Transaction::addFlag(const Slot& slot, uint16_t flag) {
  uint8_t* at = datagram_.data() + slot.offset + offsetof(nlmsghdr, nlmsg_flags);
  const auto flags = static_cast<uint16_t>(netlink::load<uint16_t>(at) | flag);
  std::memcpy(at, &flags, sizeof flags);
}

int Transaction::send() {
  const Bytes bytes = Bytes(datagram_).first(used_);
  socket_.allowSending(used_);
  int error = socket_.send(bytes);
  if (error == EAGAIN) {
    socket_.awaitRoom(socket_.deadline());
    error = socket_.send(bytes);
  }
  return error;
}

Transaction::Hearing Transaction::listen(uint32_t firstSequence) {
  const Deadline deadline = socket_.deadline();
  Deadline patience = deadline;
  Hearing hearing;
  while (!hearing.last) {
    const Received received = socket_.receive(patience);
    if (received.kind == Received::Kind::datagram) {
      read(received.datagram, firstSequence, hearing);
      if (deadline.passed()) break;  // a flood of what nobody asked for
    } else if (received.kind == Received::Kind::overrun || received.kind == Received::Kind::truncated) {
      // Only what is queued already is read from here on: the answer that would end the wait may be what was lost.
      patience = Deadline::now();
      hearing.lost = true;
    } else {
      break;
    }
  }
  return hearing;
}

void Transaction::read(Bytes datagram, uint32_t firstSequence, Hearing& hearing) {
  MessageReader reader(datagram);
  Message message;
  while (!hearing.last && reader.next(message)) {
    const uint32_t position = message.sequence - firstSequence;
    if (position == 1 && message.type == typeOf(NFT_MSG_NEWGEN)) answers_.newGeneration = true;
    if (position > slots_.size() || message.type != NLMSG_ERROR) continue;
    Verdict verdict;
    if (!unpackError(message, verdict)) {
      hearing.lost = true;
      continue;
    }
    if (verdict.error != 0) hearing.refused = true;
    if (position == 0) {
      // The batch as a whole. An acknowledgement that still follows is of what was undone.
      if (verdict.error != 0) refuse(0, static_cast<uint32_t>(answers_.errnos.size()), verdict);
      hearing.last = verdict.error != 0;
    } else {
      if (verdict.error != 0) refuse(slots_[position - 1], verdict);
      hearing.last = position == slots_.size();
    }
  }
  if (!reader.wellFormed()) hearing.lost = true;
}

// Where the kernel says which attribute it did not like and that is a marked one, the refusal is of that alone.
void Transaction::refuse(const Slot& slot, const Verdict& verdict) {
  const auto next = &slot == &slots_.back() ? marks_.size() : (&slot + 1)->firstMark;
  const auto marks = std::span<const Mark>(marks_).subspan(slot.firstMark, next - slot.firstMark);
  const auto marked = std::ranges::lower_bound(marks, size_t{verdict.offset}, {}, &Mark::offset);
  if (marked != marks.end() && marked->offset == verdict.offset) {
    refuse(marked->index, marked->index + 1, verdict);
  } else {
    // Another attribute, such as the set's name, is of all.
    if (marks.size() > 1 && verdict.offset == 0) named_ = false;
    refuse(slot.index, slot.end, verdict);
  }
}

void Transaction::refuse(uint32_t index, uint32_t end, const Verdict& verdict) {
  std::fill(answers_.errnos.begin() + index, answers_.errnos.begin() + end, verdict.error);
  if (!verdict.text.empty()) answers_.texts.push_back({index, std::string(verdict.text)});
}

void Transaction::settle(const Hearing& hearing) {
  if (hearing.refused) {
    std::ranges::replace(answers_.errnos, netlink::unknown, int32_t{ECANCELED});
  } else if (hearing.last && !hearing.lost) {
    std::ranges::fill(answers_.errnos, 0);
  }
}

}  // namespace nftables
