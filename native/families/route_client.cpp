#include "route_client.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "../netlink/dump.h"
#include "address.h"
#include "route_codec.h"

namespace route {

using netlink::Answers;
using netlink::Batches;
using netlink::Message;
using netlink::MessageWriter;
using netlink::mostDumped;
using netlink::Outcome;

Outcome Client::apply(std::span<const Record> ops, Answers& answers) {
  answers = Answers(ops.size());
  const int64_t start = netlink::monotonic();
  auto noData = [](uint32_t, const Message&) {};
  Batches batches(socket_, answers, noData);
  for (uint32_t i = 0; i < ops.size(); ++i) {
    const Command command = commandOf(ops[i]);
    packOp(batches.begin(i, command.type, command.flags), ops[i]);
    batches.commit();
  }
  Outcome outcome = batches.finish();
  answers.nanoseconds = static_cast<uint64_t>(netlink::monotonic() - start);
  return outcome;
}

Outcome Client::links(std::vector<Link>& links) {
  return netlink::dump(socket_, {
                                    .name = "RTM_GETLINK",
                                    .type = RTM_GETLINK,
                                    .pack = [](MessageWriter& writer) { packLinksQuery(writer); },
                                    .restart = [&] { links.clear(); },
                                    .unpack =
                                        [&](const Message& reply) {
                                          if (reply.type != RTM_NEWLINK) return true;
                                          links.emplace_back();
                                          return links.size() <= mostDumped && unpackLink(reply, links.back());
                                        },
                                });
}

Outcome Client::addresses(uint32_t device, std::vector<Record>& records) {
  Outcome outcome = dumpAddresses(address::v4, device, records);
  return outcome.ok() ? dumpAddresses(address::v6, device, records) : outcome;
}

Outcome Client::otherAddresses(uint32_t device, std::vector<Record>& records) {
  Outcome outcome = addresses(0, records);
  std::erase_if(records, [&](const Record& one) { return one.device == device; });
  return outcome;
}

// A kernel without IPv6 answers the v6 query with all families it has, hence the look at each record's own.
Outcome Client::dumpAddresses(uint8_t family, uint32_t device, std::vector<Record>& records) {
  const size_t before = records.size();
  return netlink::dump(socket_, {
                                    .name = "RTM_GETADDR",
                                    .type = RTM_GETADDR,
                                    .pack = [&](MessageWriter& writer) { packAddressesQuery(writer, family, device); },
                                    .restart = [&] { records.resize(before); },
                                    .unpack =
                                        [&](const Message& reply) {
                                          if (reply.type != RTM_NEWADDR) return true;
                                          Record record;
                                          if (records.size() >= mostDumped || !unpackAddress(reply, record))
                                            return false;
                                          if (record.family == family && (device == 0 || record.device == device))
                                            records.push_back(record);
                                          return true;
                                        },
                                });
}

Outcome Client::localRoutes(uint32_t device, std::vector<Record>& records) {
  for (const uint8_t family : {address::v4, address::v6}) {
    Outcome outcome = dumpLocalRoutes(family, device, records);
    // A namespace in which no address was ever set has no local table yet.
    if (!outcome.ok() && outcome.error != ENOENT) return outcome;
  }
  return {};
}

Outcome Client::dumpLocalRoutes(uint8_t family, uint32_t device, std::vector<Record>& records) {
  const size_t before = records.size();
  return netlink::dump(socket_,
                       {
                           .name = "RTM_GETROUTE",
                           .type = RTM_GETROUTE,
                           .pack = [&](MessageWriter& writer) { packLocalRoutesQuery(writer, family, device); },
                           .restart = [&] { records.resize(before); },
                           .unpack =
                               [&](const Message& reply) {
                                 if (reply.type != RTM_NEWROUTE) return true;
                                 Record record;
                                 bool local = false;
                                 if (records.size() >= mostDumped || !unpackRoute(reply, record, local)) return false;
                                 const bool wanted =
                                     local && record.family == family && (device == 0 || record.device == device);
                                 if (wanted) records.push_back(record);
                                 return true;
                               },
                       });
}

Outcome openMonitor(const netlink::SocketOptions& options, netlink::Socket& socket) {
  Outcome outcome = socket.open(NETLINK_ROUTE, options);
  if (options.descriptor >= 0) return outcome;
  for (const unsigned group : {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR}) {
    if (outcome.ok()) outcome = socket.join(group);
  }
  return outcome;
}

void readEvents(const netlink::Received& received, std::vector<Event>& events) {
  using Got = netlink::Received::Kind;
  if (received.kind == Got::nothing) return;
  netlink::MessageReader reader(received.datagram);
  if (received.kind == Got::datagram) {
    Message message;
    Event event;
    while (reader.next(message)) {
      if (unpackEvent(message, event)) events.push_back(event);
    }
  }
  const bool lost = received.kind != Got::datagram || !reader.wellFormed();
  if (lost) events.push_back({.kind = Event::Kind::overrun, .added = false, .link = {}, .address = {}});
}

}  // namespace route
