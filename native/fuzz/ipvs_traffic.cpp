#include "../families/ipvs_codec.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    ipvs::Traffic traffic;
    ipvs::unpackTraffic(message, traffic);
  });
}
