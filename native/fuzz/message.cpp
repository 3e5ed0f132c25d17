#include <cstdlib>

#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    netlink::Verdict verdict;
    if (unpackError(message, verdict) && (verdict.error < 0 || verdict.error > 4095)) std::abort();
    if (unpackDone(message, verdict) && (verdict.error < 0 || verdict.error > 4095)) std::abort();
  });
}
