#pragma once

#include <cstddef>

#include "function_ref.h"
#include "message.h"
#include "outcome.h"
#include "socket.h"

namespace netlink {

/// The code of a dump that was started again so often that it was given up.
inline constexpr const char* dumpInterrupted = "DUMP_INTERRUPTED";

/// Far more than a kernel can hold: a peer that never ends a dump must not eat all memory.
inline constexpr size_t mostDumped = 8 * 1024 * 1024;

struct DumpRequest {
  const char* name;  // for messages
  uint16_t type;
  /// Writes family header and attributes.
  FunctionRef<void(MessageWriter&)> pack;
  /// Forgets everything: the dump begins (again).
  FunctionRef<void()> restart;
  /// Takes one message of the answer; false ends the dump with EBADMSG.
  FunctionRef<bool(const Message&)> unpack;
};

/// Reads a whole dump (NLM_F_DUMP): one consistent answer or none.
///
/// A dump that the kernel marks as interrupted (NLM_F_DUMP_INTR: the table changed meanwhile), that lost a part
/// (ENOBUFS) or whose datagram did not fit is started again, eight times at most; then it fails with the code
/// DUMP_INTERRUPTED, and `unpack` has taken what the last try brought until something was missing. Otherwise fails
/// with the kernel's errno, ETIMEDOUT, or EBADMSG.
Outcome dump(Socket& socket, const DumpRequest& request);

}  // namespace netlink
