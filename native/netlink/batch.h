// A batch: many operations, one datagram, and only the last one acknowledged.
//
//    one send ─▶ | message 0 | message 1 | … | message n-1, NLM_F_ACK |
//    receive  ◀─ | error of 3 |   | error of 17 |   …   | verdict of n-1 |
//
// The kernel (netlink_rcv_skb) handles the messages in order before send returns. Each one that fails is
// answered, and so is each with NLM_F_ACK; later messages run all the same. So once the last one's verdict is in
// and every answer before it could be read, silence means success. Any other end leaves the silent ones `unknown`.
//
// One silence is not success: a handler that returns -EINTR is not answered at all. No handler we call does so
// unless this process is being killed; where the last message meets it, the batch ends by time-out, `unknown`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "function_ref.h"
#include "message.h"
#include "outcome.h"
#include "socket.h"

namespace netlink {

/// An operation of which nobody can say whether it was done.
inline constexpr int32_t unknown = -1;

struct KernelText {
  uint32_t index;  // of the operation
  std::string text;
};

/// What became of each operation, same order and length as those given.
struct Answers {
  std::vector<int32_t> errnos;  // 0 done, >0 errno, `unknown`
  std::vector<KernelText> texts;
  uint64_t nanoseconds = 0;  // packing, sending, receiving
  bool newGeneration = false;  // of nf_tables' rule set

  explicit Answers(size_t count = 0) : errnos(count, unknown) {}
};

/// Gets every message that answers an operation with data.
using ReplySink = FunctionRef<void(uint32_t index, const Message& reply)>;

/// Packs operations into batches, sends each when full and settles it before the next.
///
///     for (...) { pack(batches.begin(index, type, flags), op); batches.commit(); }
///     Outcome outcome = batches.finish();
///
/// Costs one send and one receive per batch plus one receive per failed operation.
class Batches {
 public:
  /// `replySize`: true size of a data reply in the kernel's receive accounting, 0 if operations have none.
  Batches(Socket& socket, Answers& answers, ReplySink sink, size_t replySize = 0);

  /// A writer with at least `messageRoom` bytes for operation `index`.
  MessageWriter& begin(uint32_t index, uint16_t type, uint16_t flags);
  void commit();
  /// Sends what is left. Fails only if the socket broke before any batch had reached the kernel.
  Outcome finish();
  /// Why sending ended early, ok if it did not.
  const Outcome& trouble() const { return broken_; }

  /// No message of ours is longer.
  static constexpr size_t messageRoom = 512;

 private:
  struct Slot {
    uint32_t index;
    uint32_t offset;
    bool answered;
  };
  // A run of slots sent as one datagram.
  struct Part {
    size_t first;
    size_t count;
  };

  // What came back for a part so far.
  struct Hearing {
    bool any = false;   // something that answers it
    bool lost = false;  // something that might have: dropped, cut off, or unreadable
  };

  void settle();
  void deliver(Part part);
  int send(Part part);
  bool acknowledged(Part part);
  void read(Part part, Bytes datagram, Hearing& hearing);
  void record(Slot& slot, const Verdict& verdict);
  std::span<uint8_t> bytesOf(Part part);

  static constexpr size_t mostMessages = 1024;

  Socket& socket_;
  Answers& answers_;
  ReplySink sink_;
  size_t limit_;
  std::array<Slot, mostMessages> slots_;
  size_t count_ = 0;
  size_t used_ = 0;
  uint32_t firstSequence_ = 0;
  int mute_ = 0;          // batches in a row that got no answer at all
  bool reached_ = false;  // some batch reached the kernel
  bool waited_ = false;   // for room to send, which is done once
  Outcome broken_;
  MessageWriter writer_{{}};
};

/// One acknowledged request that is answered with data. `unpack` gets each reply; EBADMSG if it refuses one or there
/// is none.
Outcome request(Socket& socket, const char* name, FunctionRef<void(Batches&)> pack,
                FunctionRef<bool(const Message&)> unpack);
/// One acknowledged request that is answered with no more than that.
Outcome command(Socket& socket, const char* name, FunctionRef<void(Batches&)> pack);

}  // namespace netlink
