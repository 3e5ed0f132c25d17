#pragma once

#include <span>
#include <vector>

#include "../netlink/batch.h"
#include "../netlink/outcome.h"
#include "../netlink/socket.h"
#include "ipvs_record.h"

namespace ipvs {

/// The kernel's virtual server table of one network namespace, over one socket. One thread at a time.
///
/// The family's number is looked up at the first call and kept; a call that meets ENOENT asks once more, because a
/// reloaded module gets a new number.
class Client {
 public:
  explicit Client(netlink::Socket socket) : socket_(std::move(socket)) {}

  /// Applies operations in order; each may fail on its own (`answers`). Fails as a whole only if nothing was sent.
  netlink::Outcome apply(std::span<const Op> ops, netlink::Answers& answers);

  /// All services of the namespace, those by fwmark included.
  netlink::Outcome services(std::vector<Entry>& entries);
  /// What went through each of them, likewise.
  netlink::Outcome traffic(std::vector<Traffic>& counters);
  /// The service of each identity, same order; answers tell which there are (ESRCH: not there, entry zero).
  netlink::Outcome find(std::span<const Op> identities, std::vector<Entry>& entries, netlink::Answers& answers);
  /// The destinations of each service, in the order of the services; one dump each. A service that is not there
  /// (any more) has none: the kernel does not tell the difference.
  netlink::Outcome destinations(std::span<const Op> services, std::vector<Entry>& entries,
                                std::vector<uint32_t>& counts);

  netlink::Outcome info(Info& info);
  netlink::Outcome timeouts(Timeouts& timeouts);
  netlink::Outcome setTimeouts(const Timeouts& timeouts);

 private:
  netlink::Outcome withFamily(netlink::FunctionRef<netlink::Outcome()> exchange);
  /// Looks the family up again; `moved` tells whether it has another number now.
  netlink::Outcome lookAgain(bool& moved);
  netlink::Outcome retryMissing(std::span<const Op> ops, netlink::Answers& answers);
  netlink::Outcome send(std::span<const Op> ops, netlink::Answers& answers, int32_t pending);
  template <class Record>
  netlink::Outcome dumpServices(std::vector<Record>& records, bool (*unpack)(const netlink::Message&, Record&));
  netlink::Outcome dumpDestinations(const Op& service, std::vector<Entry>& entries);

  netlink::Socket socket_;
  uint16_t family_ = 0;
};

}  // namespace ipvs
