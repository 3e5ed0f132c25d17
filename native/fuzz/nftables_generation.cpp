#include "../families/nftables_codec.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    uint32_t generation = 0;
    nftables::unpackGeneration(message, generation);
  });
}
