#include "../families/genl.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    uint16_t family = 0;
    genl::unpackFamily(message, family);
  });
}
