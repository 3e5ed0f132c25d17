#include "../families/nftables_element.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    std::vector<nftables::Element> elements;
    nftables::unpackElements(message, elements);
  });
}
