#include "../families/route_client.h"
#include "decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  std::vector<route::Event> events;
  route::readEvents({.kind = netlink::Received::Kind::datagram, .datagram = {bytes, size}, .error = 0}, events);
  return 0;
}
