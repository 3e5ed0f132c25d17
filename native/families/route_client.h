#pragma once

#include <span>
#include <vector>

#include "../netlink/batch.h"
#include "../netlink/outcome.h"
#include "../netlink/socket.h"
#include "route_record.h"

namespace route {

/// Links, addresses and local routes of one network namespace, over one socket. One thread at a time.
class Client {
 public:
  explicit Client(netlink::Socket socket) : socket_(std::move(socket)) {}

  /// Applies operations in order; each may fail on its own (`answers`). Fails as a whole only if nothing was sent.
  netlink::Outcome apply(std::span<const Record> ops, netlink::Answers& answers);

  netlink::Outcome links(std::vector<Link>& links);
  /// Of one device or (0) of all. ENODEV if there is no such device.
  netlink::Outcome addresses(uint32_t device, std::vector<Record>& records);
  /// Of all devices but one. The kernel tells that one's too, and for ours they are thousands.
  netlink::Outcome otherAddresses(uint32_t device, std::vector<Record>& records);
  /// Routes of type local in table local, over one device or (0) over all. ENODEV if there is no such device.
  netlink::Outcome localRoutes(uint32_t device, std::vector<Record>& records);

 private:
  netlink::Outcome dumpAddresses(uint8_t family, uint32_t device, std::vector<Record>& records);
  netlink::Outcome dumpLocalRoutes(uint8_t family, uint32_t device, std::vector<Record>& records);

  netlink::Socket socket_;
};

/// Opens a socket that hears of links and addresses coming, changing and going.
netlink::Outcome openMonitor(const netlink::SocketOptions& options, netlink::Socket& socket);
/// Appends what one receive told: events, or one overrun where something was lost.
void readEvents(const netlink::Received& received, std::vector<Event>& events);

}  // namespace route
