#pragma once

#include <string>

#include "descriptor.h"
#include "outcome.h"

namespace netlink {

/// Opens an AF_NETLINK socket of `protocol` in a network namespace: a name under /run/netns (ip-netns(8)), an
/// absolute path, or "" for the calling thread's own.
///
/// A socket stays in the namespace it was made in, so a thread that lives for this one call enters it; no other
/// thread ever changes its namespace. Fails with what open(2), setns(2) or socket(2) say.
Outcome openSocket(int protocol, const std::string& networkNamespace, Descriptor& socket);

}  // namespace netlink
