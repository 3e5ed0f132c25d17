#pragma once

#include <span>
#include <string>
#include <vector>

#include "../netlink/batch.h"
#include "../netlink/function_ref.h"
#include "../netlink/outcome.h"
#include "../netlink/socket.h"
#include "nftables_record.h"

namespace nftables {

/// The nf_tables table of one name in one network namespace, for IPv4 and for IPv6, over one socket. One thread at a
/// time.
class Client {
 public:
  Client(netlink::Socket socket, std::string table) : socket_(std::move(socket)), table_(std::move(table)) {}

  /// Applies operations in order, all or none. Fails as a whole only if nothing was sent.
  netlink::Outcome apply(std::span<const Object> objects, netlink::Answers& answers);
  netlink::Outcome applyElements(std::span<const Element> elements, netlink::Answers& answers);

  /// The table, its chains, its sets, its rules with their expressions, as they were at one moment; nothing if there is
  /// no table. Costs a look at every chain of the family, whatever its table.
  netlink::Outcome objects(uint8_t family, std::vector<Object>& objects);
  /// Elements of a set, as they were at one moment; nothing if there is no such set. The kernel walks the set from its
  /// start for each 32 KiB of the answer: 20 000 elements take 20 ms, half a million 20 s (6.18).
  netlink::Outcome elements(uint8_t family, const std::string& set, std::vector<Element>& elements);
  /// Counts up with every transaction of the network namespace, whoever's: another number, another rule set.
  netlink::Outcome generation(uint32_t& generation);

 private:
  netlink::Outcome sendElements(std::span<const Element> elements, size_t together, netlink::Answers& answers,
                                bool& named);
  netlink::Outcome atOneMoment(netlink::FunctionRef<netlink::Outcome()> read);
  netlink::Outcome table(uint8_t family, std::vector<Object>& objects);
  netlink::Outcome dumpObjects(Kind kind, uint8_t family, std::vector<Object>& objects);
  netlink::Outcome dumpElements(uint8_t family, const std::string& set, std::vector<Element>& elements);

  netlink::Socket socket_;
  std::string table_;
};

}  // namespace nftables
