#include "../netlink/attribute.h"

#include <algorithm>
#include <cstdlib>

#include "decoder.h"

namespace {

// Every getter on every attribute, and into each payload as if it were a nest.
void walk(netlink::Bytes region, int depth) {
  netlink::AttributeReader reader(region);
  while (reader.next()) {
    const netlink::Bytes payload = reader.payload();
    if (payload.data() < region.data() || payload.data() + payload.size() > region.data() + region.size()) std::abort();
    if (reader.string().size() > payload.size()) std::abort();
    char text[16];
    uint8_t address[16];
    reader.u8();
    reader.u16();
    reader.u16be();
    reader.u32();
    reader.stringTo(text);
    if (std::ranges::find(text, '\0') == std::end(text)) std::abort();
    reader.bytesTo(address);
    if (depth < 4) walk(payload, depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    // The attributes begin behind a family header of 0, 4 (genl), 8 (addresses), 12 (routes) or 16 (links) bytes.
    for (size_t header = 0; header <= message.payload.size() && header <= 16; header += 4) {
      walk(message.payload.subspan(header), 0);
    }
  });
}
