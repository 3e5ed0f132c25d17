// A name that is accepted leads to a file below /proc/sys/net, or to the one in /sys, whatever stands in it.

#include <cstdlib>
#include <string_view>

#include "../families/setting.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view name(reinterpret_cast<const char*>(bytes), size);
  if (!setting::isName(name) || name == "module/nf_conntrack/parameters/hashsize") return 0;
  if (!name.starts_with("net/") || name.ends_with('/') || name.find('\0') != name.npos) std::abort();
  for (const std::string_view way : {"//", "/../", "/./"}) {
    if (name.find(way) != name.npos) std::abort();
  }
  if (name.ends_with("/..") || name.ends_with("/.")) std::abort();
  return 0;
}
