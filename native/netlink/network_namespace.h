#pragma once

#include <string>

#include "descriptor.h"
#include "function_ref.h"
#include "outcome.h"

namespace netlink {

/// Calls `body` in a network namespace: a name under /run/netns (ip-netns(8)), an absolute path, or "" for the calling
/// thread's own. What `body` opens stays in that namespace: sockets, and files of /proc/sys/net.
///
/// A thread that lives for this one call enters the namespace; no other thread ever changes its own. Fails with what
/// open(2) or setns(2) say, or as `body` does.
Outcome within(const std::string& networkNamespace, FunctionRef<Outcome()> body);

/// Opens an AF_NETLINK socket of `protocol` in a network namespace as `within` takes it. Fails as that does, or with
/// what socket(2) says.
Outcome openSocket(int protocol, const std::string& networkNamespace, Descriptor& socket);

}  // namespace netlink
