// IPVS messages (linux/ip_vs.h, generic netlink family "IPVS", version 1). Each pack has its unpack beside it.
//
//   | genlmsghdr | SERVICE{ AF PROTOCOL ADDR PORT | SCHED_NAME FLAGS TIMEOUT NETMASK } |    a service
//                             identity                       configuration
//   | genlmsghdr | SERVICE{ AF PROTOCOL ADDR PORT } | DEST{ ADDR PORT ADDR_FAMILY | FWD_METHOD WEIGHT … } |
//   | genlmsghdr | SERVICE{ AF FWMARK | … } |                    a service by fwmark, in dumps only
//   | genlmsghdr | SERVICE{ … | STATS64{ CONNS INPKTS OUTPKTS INBYTES OUTBYTES … } } |    its counters, in dumps only
#pragma once

#include "../netlink/message.h"
#include "ipvs_record.h"

namespace ipvs {

/// An add, edit or delete, as violationOf accepts it.
void packOp(netlink::MessageWriter& writer, const Op& op);

/// IPVS_CMD_GET_SERVICE: of all services, for a dump.
void packServicesQuery(netlink::MessageWriter& writer);
/// IPVS_CMD_GET_SERVICE: of the one with this identity.
void packServiceQuery(netlink::MessageWriter& writer, const Op& service);
/// Reads a service; false unless it is whole. `entry` is overwritten.
bool unpackService(const netlink::Message& reply, Entry& entry);

/// Reads what went through a service; false unless it is whole. `traffic` is overwritten.
bool unpackTraffic(const netlink::Message& reply, Traffic& traffic);

/// IPVS_CMD_GET_DEST, a dump of one service's destinations.
void packDestinationsQuery(netlink::MessageWriter& writer, const Op& service);
/// Reads a destination of `service`; false unless it is whole. `entry` is overwritten.
bool unpackDestination(const netlink::Message& reply, const Op& service, Entry& entry);

void packInfoQuery(netlink::MessageWriter& writer);
bool unpackInfo(const netlink::Message& reply, Info& info);

void packTimeoutsQuery(netlink::MessageWriter& writer);
void packTimeouts(netlink::MessageWriter& writer, const Timeouts& timeouts);
bool unpackTimeouts(const netlink::Message& reply, Timeouts& timeouts);

}  // namespace ipvs
