// A transaction: many messages, one datagram, all or nothing (nfnetlink_rcv_batch, 6.1).
//
//    one send ─▶ | BATCH_BEGIN | message 0, NLM_F_ECHO | … | message n-1, NLM_F_ACK | BATCH_END |
//    committed ◀─ | NEWGEN |   | acknowledgement of n-1 |
//    aborted   ◀─ | error of 3 |   | error of 17 |   …   | verdict of n-1 |
//    refused   ◀─ | error of BEGIN |   (| acknowledgement of n-1 |, if it was the commit that failed)
//
// The kernel tries every message, whatever became of those before it, and answers in their order once it has committed
// or aborted. So the last one's acknowledgement means success if nothing before it was an error. It asks for it, and
// not BATCH_END: 6.18 answers that, 6.1 does not. A module that must be loaded makes the kernel start again by itself.
//
// NEWGEN, a new generation of the rule set, is told if the first message asks for it (nf_tables_gen_notify, 6.1), beside
// what that one changed. A transaction that changes nothing, since all that it adds is there, makes none
// (nf_tables_commit).
#pragma once

#include <span>
#include <vector>

#include "../netlink/batch.h"
#include "../netlink/message.h"
#include "../netlink/outcome.h"
#include "../netlink/socket.h"

namespace nftables {

///     for (...) { pack(transaction.begin(index, type, flags, room), op); transaction.commit(index + 1); }
///     Outcome outcome = transaction.finish();
///
/// Costs one send and one receive, and one more receive for each message that was refused. Answers are 0 for all, or
/// the errno of what was refused and ECANCELED for the rest, or `netlink::unknown` for all.
class Transaction {
 public:
  Transaction(netlink::Socket& socket, netlink::Answers& answers) : socket_(socket), answers_(answers) {}

  /// A writer with `room` bytes for a message about the operations from `index` on.
  netlink::MessageWriter& begin(uint32_t index, uint16_t type, uint16_t flags, size_t room);
  /// What is written next is about the operation `index` alone; a refusal of it is no other's.
  void mark(uint32_t index);
  /// The message is about the operations before `end`.
  void commit(uint32_t end);
  /// Sends it all. Fails only if the kernel did not get it.
  netlink::Outcome finish();
  /// False if one of several operations of a message was refused and the kernel did not say which: all are told so.
  bool named() const { return named_; }

 private:
  struct Slot {
    size_t offset;
    size_t firstMark;
    uint32_t index;
    uint32_t end;
  };
  struct Mark {
    size_t offset;
    uint32_t index;
  };
  // What came back so far.
  struct Hearing {
    bool last = false;     // the last message's verdict: nothing comes after it
    bool refused = false;  // an error
    bool lost = false;     // something that might have been one: dropped, cut off, or unreadable
  };

  void append(uint16_t type);
  void number(uint32_t firstSequence);
  void addFlag(const Slot& slot, uint16_t flag);
  int send();
  Hearing listen(uint32_t firstSequence);
  void read(netlink::Bytes datagram, uint32_t firstSequence, Hearing& hearing);
  void refuse(const Slot& slot, const netlink::Verdict& verdict);
  void refuse(uint32_t index, uint32_t end, const netlink::Verdict& verdict);
  void settle(const Hearing& hearing);

  netlink::Socket& socket_;
  netlink::Answers& answers_;
  std::vector<uint8_t> datagram_;
  size_t used_ = 0;
  std::vector<Slot> slots_;
  std::vector<Mark> marks_;
  netlink::MessageWriter writer_{{}};
  bool failed_ = false;  // something did not fit
  bool named_ = true;
};

}  // namespace nftables
