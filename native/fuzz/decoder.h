// What every target shares: the input is one received datagram, as the recordings in corpus/ are.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../netlink/message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

namespace fuzz {

/// Calls `decode` with each message of the input.
template <class Decode>
int messages(const uint8_t* bytes, size_t size, Decode&& decode) {
  netlink::MessageReader reader({bytes, size});
  netlink::Message message;
  while (reader.next(message)) decode(message);
  return 0;
}

}  // namespace fuzz
