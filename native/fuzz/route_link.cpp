#include <cstdlib>
#include <cstring>

#include "../families/route_codec.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    route::Link link;
    if (!route::unpackLink(message, link)) return;
    if (strnlen(link.name, sizeof link.name) == sizeof link.name) std::abort();
    if (strnlen(link.kind, sizeof link.kind) == sizeof link.kind) std::abort();
  });
}
