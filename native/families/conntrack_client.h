#pragma once

#include <span>
#include <vector>

#include "../netlink/batch.h"
#include "../netlink/outcome.h"
#include "../netlink/socket.h"
#include "conntrack_record.h"

namespace conntrack {

/// The connection-tracking table of one network namespace, over one socket. One thread at a time.
///
/// On a kernel without connection tracking, or that cannot load nf_conntrack_netlink, every call fails with the code
/// ERR_NO_CONNTRACK.
class Client {
 public:
  explicit Client(netlink::Socket socket) : socket_(std::move(socket)) {}

  /// The flows whose original destination is one of `keys`, each once, in no order.
  ///
  /// Costs one walk through the kernel's table, which all namespaces share, for each of a few keys; where there are
  /// more, one walk for each family, with every flow of that family (of that protocol, if the keys have but one)
  /// carried here. A walk that is interrupted again and again gives what it brought; DUMP_INTERRUPTED if that was
  /// nothing.
  netlink::Outcome flows(std::span<const FlowKey> keys, std::vector<Flow>& flows);

  /// Deletes exactly these flows; ENOENT answers one that is gone or has been replaced. Fails as a whole only if
  /// nothing was sent or nobody is there who could. A caller without CAP_NET_ADMIN is told EPERM for the first flow
  /// only (nfnetlink_rcv answers one message of a datagram that it refuses), and waits in vain for the rest.
  netlink::Outcome remove(std::span<const Flow> flows, netlink::Answers& answers);

 private:
  struct Search;
  netlink::Outcome collect(std::span<const FlowKey> filters, Search& search);
  netlink::Outcome walk(const FlowKey& filter, Search& search);

  netlink::Socket socket_;
  bool filters_ = true;  // the kernel filters dumps, as far as is known
};

/// Opens a socket for a Client.
netlink::Outcome openSocket(const netlink::SocketOptions& options, netlink::Socket& socket);

}  // namespace conntrack
