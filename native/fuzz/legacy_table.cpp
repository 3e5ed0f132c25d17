// No datagram: the entries of a table, behind a byte that tells the family.

#include "../families/legacy_tables.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  std::vector<filter::Name> names;
  legacy::unpackChains({bytes + 1, size - 1}, bytes[0], "nat", names);
  return 0;
}
