// Messages of nf_conntrack_netlink (linux/netfilter/nfnetlink_conntrack.h): numbers in network byte order but for the
// filter's flags. Each pack has its unpack beside it.
//
//   | nfgenmsg |  TUPLE_ORIG{ IP{ SRC DST } PROTO{ NUM SRC_PORT DST_PORT } }  TUPLE_REPLY{…}  ZONE  ID  STATUS  MARK
//   | nfgenmsg |  TUPLE_ORIG{…}  FILTER{ ORIG_FLAGS }                                            which of them are
//   meant
#pragma once

#include <linux/netfilter/nfnetlink_conntrack.h>

#include "../netlink/message.h"
#include "conntrack_record.h"

namespace conntrack {

inline constexpr uint16_t getFlows = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
inline constexpr uint16_t newFlow = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
inline constexpr uint16_t deleteFlow = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;

/// Flows of one family, of which the kernel is to leave out those that differ in what is not zero in `filter`.
/// Linux 5.8 and later do so; EINVAL or EOPNOTSUPP from one that will not. An address needs family 4, a port needs
/// TCP or UDP: see `filterOf`.
void packFlowsQuery(netlink::MessageWriter& writer, const FlowKey& filter);
/// As much of the key as kernels compare rightly.
FlowKey filterOf(const FlowKey& key);
/// Reads IPCTNL_MSG_CT_NEW; false unless it is whole. A family that is neither 4 nor 6 reads as 0, a protocol without
/// ports as ports 0.
bool unpackFlow(const netlink::Message& message, Flow& flow);

/// Exactly this flow, not one of the same addresses that took its place.
void packDeletion(netlink::MessageWriter& writer, const Flow& flow);

}  // namespace conntrack
