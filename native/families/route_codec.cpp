#include "route_codec.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "../netlink/attribute.h"
#include "address.h"

namespace route {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::Message;
using netlink::MessageWriter;

namespace {

constexpr const char* dummyKind = "dummy";

Bytes addressBytes(const Record& record, const uint8_t (&bytes)[16]) {
  return Bytes(bytes).first(address::sizeOf(record.family));
}

// An address attribute is as long as its family's addresses.
void unpackBytes(AttributeReader& reader, uint8_t family, uint8_t (&bytes)[16]) {
  reader.bytesTo(std::span(bytes).first(address::sizeOf(family)));
}

void packLink(MessageWriter& writer, const Record& op) {
  ifinfomsg header{};  // flags 0: a new one stays down
  if (op.verb == Verb::edit && op.linkChange == LinkChange::up) header.ifi_flags = header.ifi_change = IFF_UP;
  writer.header(header);
  writer.string(IFLA_IFNAME, {op.name, strnlen(op.name, sizeof op.name)});
  if (op.verb == Verb::edit && op.linkChange == LinkChange::noGeneratedAddress) {
    const MessageWriter::Nest families(writer, IFLA_AF_SPEC);
    const MessageWriter::Nest v6(writer, AF_INET6);
    writer.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  }
  if (op.verb == Verb::add) {
    const MessageWriter::Nest linkInfo(writer, IFLA_LINKINFO);
    writer.string(IFLA_INFO_KIND, dummyKind);
  }
}

void packAddress(MessageWriter& writer, const Record& op) {
  ifaddrmsg header{};
  header.ifa_family = address::toAf(op.family);
  header.ifa_prefixlen = op.prefixLength;
  header.ifa_index = op.device;
  writer.header(header);
  writer.bytes(IFA_LOCAL, addressBytes(op, op.address));
  // An IPv4 address that has a peer is found by it alone (inet_rtm_deladdr, 6.1).
  const bool byPeer = op.verb == Verb::remove && !address::isZero(op.source);
  writer.bytes(IFA_ADDRESS, addressBytes(op, byPeer ? op.source : op.address));
  if (op.family == address::v4) return;
  // A VIP is on every node: duplicate detection would only find its siblings.
  writer.u32(IFA_FLAGS, IFA_F_NODAD);
  // Deprecated, it is the source of nothing that the host sends to others (ipv6_get_saddr_eval in addrconf.c, 6.1): their
  // answers would stay on the first node that has it too.
  const ifa_cacheinfo lifetime{.ifa_prefered = 0, .ifa_valid = UINT32_MAX, .cstamp = 0, .tstamp = 0};
  if (op.verb == Verb::add) writer.bytes(IFA_CACHEINFO, std::bit_cast<std::array<uint8_t, sizeof lifetime>>(lifetime));
}

void packRoute(MessageWriter& writer, const Record& op) {
  rtmsg header{};
  header.rtm_family = address::toAf(op.family);
  header.rtm_dst_len = op.prefixLength;
  header.rtm_tos = op.tos;
  header.rtm_table = RT_TABLE_LOCAL;
  header.rtm_protocol = op.protocol != 0 ? op.protocol : uint8_t{RTPROT_STATIC};
  header.rtm_scope = op.family == address::v4 ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;  // IPv6 has no scopes
  header.rtm_type = RTN_LOCAL;
  writer.header(header);
  writer.bytes(RTA_DST, addressBytes(op, op.address));
  writer.u32(RTA_OIF, op.device);
  if (!address::isZero(op.source)) writer.bytes(RTA_PREFSRC, addressBytes(op, op.source));
}

void unpackLinkInfo(AttributeReader& links, Link& link) {
  AttributeReader reader(links.payload());
  while (reader.next()) {
    if (reader.type() != IFLA_INFO_KIND) continue;
    // Module names may be longer than what anyone compares with: cut, not refused.
    const std::string_view kind = reader.string().substr(0, sizeof link.kind - 1);
    std::copy(kind.begin(), kind.end(), link.kind);
  }
  if (!reader.wellFormed()) links.refuse();
}

}  // namespace

Command commandOf(const Record& op) {
  // EXCL: what is there already is answered EEXIST. A v4 route goes without, so that it can stand beside the
  // kernel's own local route of the same address.
  const bool add = op.verb == Verb::add;
  const uint16_t create = NLM_F_CREATE | NLM_F_EXCL;
  switch (op.kind) {
    case Kind::link:
      if (op.verb == Verb::edit) return {RTM_SETLINK, 0};
      return add ? Command{RTM_NEWLINK, create} : Command{RTM_DELLINK, 0};
    case Kind::address:
      return add ? Command{RTM_NEWADDR, create} : Command{RTM_DELADDR, 0};
    case Kind::localRoute:
      break;
  }
  if (op.verb == Verb::edit) return {RTM_NEWROUTE, NLM_F_REPLACE};
  return add ? Command{RTM_NEWROUTE, NLM_F_CREATE} : Command{RTM_DELROUTE, 0};
}

void packOp(MessageWriter& writer, const Record& op) {
  switch (op.kind) {
    case Kind::link:
      return packLink(writer, op);
    case Kind::address:
      return packAddress(writer, op);
    case Kind::localRoute:
      return packRoute(writer, op);
  }
}

void packLinksQuery(MessageWriter& writer) {
  writer.header(ifinfomsg{});
  writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

bool unpackLink(const Message& message, Link& link) {
  ifinfomsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  link = {};
  link.index = static_cast<uint32_t>(header.ifi_index);
  link.up = (header.ifi_flags & IFF_UP) != 0;
  link.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == IFLA_IFNAME) reader.stringTo(link.name);
    if (reader.type() == IFLA_LINKINFO) unpackLinkInfo(reader, link);
  }
  return reader.wellFormed();
}

void packAddressesQuery(MessageWriter& writer, uint8_t family, uint32_t device) {
  ifaddrmsg header{};
  header.ifa_family = address::toAf(family);
  header.ifa_index = device;
  writer.header(header);
}

bool unpackAddress(const Message& message, Record& record) {
  ifaddrmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  record = {};
  record.kind = Kind::address;
  record.family = address::fromAf(header.ifa_family);
  record.prefixLength = header.ifa_prefixlen;
  record.device = header.ifa_index;
  record.scope = header.ifa_scope;
  record.flags = header.ifa_flags;
  if (record.family == 0) return true;
  AttributeReader reader(attributes);
  bool local = false;
  bool found = false;
  while (reader.next()) {
    // Where there is a peer ADDRESS is the peer's; elsewhere the two are equal, and IPv6 sends only ADDRESS.
    if (reader.type() == IFA_LOCAL) {
      unpackBytes(reader, record.family, record.address);
      local = true;
    }
    if (reader.type() == IFA_ADDRESS) {
      unpackBytes(reader, record.family, record.source);
      found = true;
    }
    if (reader.type() == IFA_FLAGS) record.flags = reader.u32();  // the header holds but eight of them
  }
  if (!local) std::ranges::copy(record.source, record.address);
  if (std::ranges::equal(record.source, record.address)) std::ranges::fill(record.source, uint8_t{0});
  return reader.wellFormed() && (local || found);
}

void packLocalRoutesQuery(MessageWriter& writer, uint8_t family, uint32_t device) {
  rtmsg header{};
  header.rtm_family = address::toAf(family);
  header.rtm_table = RT_TABLE_LOCAL;
  header.rtm_type = RTN_LOCAL;
  writer.header(header);
  if (device != 0) writer.u32(RTA_OIF, device);
}

bool unpackRoute(const Message& message, Record& record, bool& local) {
  rtmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  record = {};
  record.kind = Kind::localRoute;
  record.family = address::fromAf(header.rtm_family);
  record.prefixLength = header.rtm_dst_len;
  record.tos = header.rtm_tos;
  record.scope = header.rtm_scope;
  record.protocol = header.rtm_protocol;
  record.flags = header.rtm_flags;
  local = record.family != 0 && header.rtm_type == RTN_LOCAL && (header.rtm_flags & RTM_F_CLONED) == 0 &&
          header.rtm_src_len == 0;
  if (!local) return true;
  uint32_t table = header.rtm_table;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == RTA_DST) unpackBytes(reader, record.family, record.address);
    if (reader.type() == RTA_PREFSRC) unpackBytes(reader, record.family, record.source);
    if (reader.type() == RTA_OIF) record.device = reader.u32();
    if (reader.type() == RTA_TABLE) table = reader.u32();
  }
  local = table == RT_TABLE_LOCAL;
  return reader.wellFormed();
}

bool unpackEvent(const Message& message, Event& event) {
  event = {};
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      ifinfomsg header;
      Bytes attributes;
      // AF_BRIDGE: the device joined or left a bridge, it did not come or go.
      if (!message.split(header, attributes) || header.ifi_family != AF_UNSPEC) return false;
      event.kind = Event::Kind::link;
      event.added = message.type == RTM_NEWLINK;
      return unpackLink(message, event.link);
    }
    case RTM_NEWADDR:
    case RTM_DELADDR:
      event.kind = Event::Kind::address;
      event.added = message.type == RTM_NEWADDR;
      return unpackAddress(message, event.address) && event.address.family != 0;
    default:
      return false;
  }
}

}  // namespace route
