// rtnetlink messages (linux/rtnetlink.h, if_link.h, if_addr.h). Each pack has its unpack beside it.
//
//   | ifinfomsg |  IFNAME  LINKINFO{ INFO_KIND }               a link
//   | ifaddrmsg |  LOCAL  ADDRESS  FLAGS                       an address of a device
//   | rtmsg     |  DST  OIF  PREFSRC  TABLE                    a route
#pragma once

#include "../netlink/message.h"
#include "route_record.h"

namespace route {

/// Message type and NLM_F_ flags of an operation.
struct Command {
  uint16_t type;
  uint16_t flags;
};
Command commandOf(const Record& op);
/// An add or delete, as violationOf accepts it.
void packOp(netlink::MessageWriter& writer, const Record& op);

void packLinksQuery(netlink::MessageWriter& writer);
/// Reads RTM_NEWLINK or RTM_DELLINK; false unless it is whole.
bool unpackLink(const netlink::Message& message, Link& link);

/// Addresses of one family, on one device or (0) on all.
void packAddressesQuery(netlink::MessageWriter& writer, uint8_t family, uint32_t device);
/// Reads RTM_NEWADDR or RTM_DELADDR; false unless it is whole. A family that is neither 4 nor 6 reads as 0.
bool unpackAddress(const netlink::Message& message, Record& record);

/// Routes of type and table local of one family, over one device or (0) over all.
void packLocalRoutesQuery(netlink::MessageWriter& writer, uint8_t family, uint32_t device);
/// Reads RTM_NEWROUTE; false unless it is whole. `local` tells whether it is of type and table local, for packets from
/// anywhere; the others are what kernels before 4.20 mix in, and IPv6 routes that are for some sources alone.
bool unpackRoute(const netlink::Message& message, Record& record, bool& local);

/// Reads a notification; false if there is nothing in it for us, or nothing sensible.
bool unpackEvent(const netlink::Message& message, Event& event);

}  // namespace route
