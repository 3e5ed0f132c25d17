#include "../families/filter_names.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return fuzz::messages(bytes, size, [](const netlink::Message& message) {
    std::vector<filter::Name> names;
    filter::unpackTable(message, names);
    filter::unpackChain(message, names);
    size_t at = 0;
    filter::unpackRule(message, names, at);
    std::vector<std::string> sets;
    filter::unpackSet(message, sets);
  });
}
