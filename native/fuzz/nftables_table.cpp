#include "../families/nftables_codec.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    std::vector<nftables::Object> objects;
    nftables::unpackTable(message, "kube-ipvs", objects);
  });
}
