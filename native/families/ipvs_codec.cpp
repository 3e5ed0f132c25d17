#include "ipvs_codec.h"

#include <linux/genetlink.h>
#include <linux/ip_vs.h>

#include <cstring>

#include "../netlink/attribute.h"
#include "address.h"
#include "genl.h"

namespace ipvs {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::Message;
using netlink::MessageWriter;

namespace {

void packCommand(MessageWriter& writer, uint8_t command) {
  genl::packCommand(writer, command, IPVS_GENL_VERSION);
}

uint8_t commandOf(const Op& op) {
  const bool service = op.kind == Kind::service;
  switch (op.verb) {
    case Verb::add:
      return service ? IPVS_CMD_NEW_SERVICE : IPVS_CMD_NEW_DEST;
    case Verb::edit:
      return service ? IPVS_CMD_SET_SERVICE : IPVS_CMD_SET_DEST;
    case Verb::remove:
      return service ? IPVS_CMD_DEL_SERVICE : IPVS_CMD_DEL_DEST;
    case Verb::none:
      break;
  }
  return IPVS_CMD_UNSPEC;  // the kernel answers EOPNOTSUPP
}

// The nested attributes of the first top-level attribute of this type; false if there is none.
bool nestOf(const Message& reply, uint8_t command, uint16_t type, Bytes& nest) {
  genlmsghdr header;
  Bytes attributes;
  if (!reply.split(header, attributes) || header.cmd != command) return false;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() != type) continue;
    nest = reader.payload();
    return true;
  }
  return false;
}

// 16 bytes in all replies; 4 are allowed in requests.
void unpackAddress(AttributeReader& reader, uint8_t (&address)[16]) {
  if (reader.payload().size() == 4) {
    reader.bytesTo(std::span(address).first<4>());
  } else {
    reader.bytesTo(address);
  }
}

void packServiceIdentity(MessageWriter& writer, const Op& op) {
  writer.u16(IPVS_SVC_ATTR_AF, address::toAf(op.family));
  writer.u16(IPVS_SVC_ATTR_PROTOCOL, op.protocol);
  writer.bytes(IPVS_SVC_ATTR_ADDR, op.address);
  writer.u16be(IPVS_SVC_ATTR_PORT, op.port);
}

// Reads the attribute into the service's identity; false if it is no part of it. A service by fwmark has neither
// protocol nor address nor port.
template <class Service>
bool unpackIdentity(AttributeReader& reader, Service& service, uint32_t& fwmark) {
  switch (reader.type()) {
    case IPVS_SVC_ATTR_AF:
      service.family = address::fromAf(reader.u16());
      return true;
    case IPVS_SVC_ATTR_PROTOCOL:
      service.protocol = static_cast<uint8_t>(reader.u16());
      return true;
    case IPVS_SVC_ATTR_ADDR:
      unpackAddress(reader, service.address);
      return true;
    case IPVS_SVC_ATTR_PORT:
      service.port = reader.u16be();
      return true;
    case IPVS_SVC_ATTR_FWMARK:
      fwmark = reader.u32();
      return true;
    default:
      return false;
  }
}

template <class Service>
bool identifies(const Service& service, uint32_t fwmark) {
  return service.family != 0 && (fwmark != 0 || service.protocol != 0);
}

void packServiceConfiguration(MessageWriter& writer, const Op& op) {
  writer.string(IPVS_SVC_ATTR_SCHED_NAME, {op.scheduler, strnlen(op.scheduler, sizeof op.scheduler)});
  const ip_vs_flags flags{.flags = op.flags, .mask = ~uint32_t{0}};
  writer.bytes(IPVS_SVC_ATTR_FLAGS, {reinterpret_cast<const uint8_t*>(&flags), sizeof flags});
  writer.u32(IPVS_SVC_ATTR_TIMEOUT, op.timeout);
  writer.u32(IPVS_SVC_ATTR_NETMASK, op.netmask);
}

void packDestinationIdentity(MessageWriter& writer, const Op& op) {
  const uint8_t family = op.destinationFamily != 0 ? op.destinationFamily : op.family;
  writer.bytes(IPVS_DEST_ATTR_ADDR, op.destinationAddress);
  writer.u16be(IPVS_DEST_ATTR_PORT, op.destinationPort);
  writer.u16(IPVS_DEST_ATTR_ADDR_FAMILY, address::toAf(family));
}

void packDestinationConfiguration(MessageWriter& writer, const Op& op) {
  writer.u32(IPVS_DEST_ATTR_FWD_METHOD, op.forwarding);
  writer.u32(IPVS_DEST_ATTR_WEIGHT, op.weight);
  // The kernel wants both thresholds; records carry no lower one. 0 is three quarters of the upper.
  writer.u32(IPVS_DEST_ATTR_U_THRESH, op.upperThreshold);
  writer.u32(IPVS_DEST_ATTR_L_THRESH, 0);
}

uint64_t* counterOf(uint16_t type, Traffic& traffic) {
  switch (type) {
    case IPVS_STATS_ATTR_CONNS:
      return &traffic.connections;
    case IPVS_STATS_ATTR_INPKTS:
      return &traffic.incomingPackets;
    case IPVS_STATS_ATTR_OUTPKTS:
      return &traffic.outgoingPackets;
    case IPVS_STATS_ATTR_INBYTES:
      return &traffic.incomingBytes;
    case IPVS_STATS_ATTR_OUTBYTES:
      return &traffic.outgoingBytes;
    default:
      return nullptr;
  }
}

// All five are there, each once (ip_vs_genl_fill_stats64, 6.1), among others that tell rates.
bool unpackCounters(Bytes nest, Traffic& traffic) {
  int found = 0;
  AttributeReader reader(nest);
  while (reader.next()) {
    uint64_t* counter = counterOf(reader.type(), traffic);
    if (counter == nullptr) continue;
    *counter = reader.u64();
    ++found;
  }
  return reader.wellFormed() && found == 5;
}

}  // namespace

void packOp(MessageWriter& writer, const Op& op) {
  packCommand(writer, commandOf(op));
  {
    const MessageWriter::Nest service(writer, IPVS_CMD_ATTR_SERVICE);
    packServiceIdentity(writer, op);
    if (op.kind == Kind::service && op.verb != Verb::remove) packServiceConfiguration(writer, op);
  }
  if (op.kind == Kind::destination) {
    const MessageWriter::Nest destination(writer, IPVS_CMD_ATTR_DEST);
    packDestinationIdentity(writer, op);
    if (op.verb != Verb::remove) packDestinationConfiguration(writer, op);
  }
}

void packServicesQuery(MessageWriter& writer) {
  packCommand(writer, IPVS_CMD_GET_SERVICE);
}

void packServiceQuery(MessageWriter& writer, const Op& service) {
  packCommand(writer, IPVS_CMD_GET_SERVICE);
  const MessageWriter::Nest nest(writer, IPVS_CMD_ATTR_SERVICE);
  packServiceIdentity(writer, service);
}

// Replies to GET carry the command NEW.
bool unpackService(const Message& reply, Entry& entry) {
  Bytes nest;
  if (!nestOf(reply, IPVS_CMD_NEW_SERVICE, IPVS_CMD_ATTR_SERVICE, nest)) return false;
  entry = {};
  Op& op = entry.op;
  op.kind = Kind::service;
  AttributeReader reader(nest);
  while (reader.next()) {
    if (unpackIdentity(reader, op, entry.fwmark)) continue;
    switch (reader.type()) {
      case IPVS_SVC_ATTR_SCHED_NAME:
        reader.stringTo(op.scheduler);
        break;
      case IPVS_SVC_ATTR_FLAGS: {
        ip_vs_flags flags{};
        reader.bytesTo({reinterpret_cast<uint8_t*>(&flags), sizeof flags});
        op.flags = flags.flags;
        break;
      }
      case IPVS_SVC_ATTR_TIMEOUT:
        op.timeout = reader.u32();
        break;
      case IPVS_SVC_ATTR_NETMASK:
        op.netmask = reader.u32();
        break;
      case IPVS_SVC_ATTR_PE_NAME:
        reader.stringTo(entry.persistenceEngine);
        break;
      default:
        break;
    }
  }
  return reader.wellFormed() && identifies(op, entry.fwmark);
}

// IPVS_SVC_ATTR_STATS beside it counts in 32 bits.
bool unpackTraffic(const Message& reply, Traffic& traffic) {
  Bytes nest;
  if (!nestOf(reply, IPVS_CMD_NEW_SERVICE, IPVS_CMD_ATTR_SERVICE, nest)) return false;
  traffic = {};
  bool counted = false;
  AttributeReader reader(nest);
  while (reader.next()) {
    if (unpackIdentity(reader, traffic, traffic.fwmark) || reader.type() != IPVS_SVC_ATTR_STATS64) continue;
    counted = unpackCounters(reader.payload(), traffic);
    if (!counted) return false;
  }
  return reader.wellFormed() && counted && identifies(traffic, traffic.fwmark);
}

void packDestinationsQuery(MessageWriter& writer, const Op& service) {
  packCommand(writer, IPVS_CMD_GET_DEST);
  const MessageWriter::Nest nest(writer, IPVS_CMD_ATTR_SERVICE);
  packServiceIdentity(writer, service);
}

bool unpackDestination(const Message& reply, const Op& service, Entry& entry) {
  Bytes nest;
  if (!nestOf(reply, IPVS_CMD_NEW_DEST, IPVS_CMD_ATTR_DEST, nest)) return false;
  entry = {};
  Op& op = entry.op;
  op.kind = Kind::destination;
  op.family = service.family;
  op.protocol = service.protocol;
  op.port = service.port;
  std::memcpy(op.address, service.address, sizeof op.address);
  // Kernels before 3.18 know no ADDR_FAMILY: the service's.
  op.destinationFamily = service.family;
  AttributeReader reader(nest);
  while (reader.next()) {
    switch (reader.type()) {
      case IPVS_DEST_ATTR_ADDR:
        unpackAddress(reader, op.destinationAddress);
        break;
      case IPVS_DEST_ATTR_PORT:
        op.destinationPort = reader.u16be();
        break;
      case IPVS_DEST_ATTR_ADDR_FAMILY:
        op.destinationFamily = address::fromAf(reader.u16());
        break;
      case IPVS_DEST_ATTR_FWD_METHOD:
        op.forwarding = static_cast<uint8_t>(reader.u32() & IP_VS_CONN_F_FWD_MASK);
        break;
      case IPVS_DEST_ATTR_WEIGHT:
        op.weight = reader.u32();
        break;
      case IPVS_DEST_ATTR_U_THRESH:
        op.upperThreshold = reader.u32();
        break;
      case IPVS_DEST_ATTR_ACTIVE_CONNS:
        entry.active = reader.u32();
        break;
      case IPVS_DEST_ATTR_INACT_CONNS:
        entry.inactive = reader.u32();
        break;
      case IPVS_DEST_ATTR_PERSIST_CONNS:
        entry.persistent = reader.u32();
        break;
      default:
        break;
    }
  }
  return reader.wellFormed() && op.destinationFamily != 0;
}

void packInfoQuery(MessageWriter& writer) {
  packCommand(writer, IPVS_CMD_GET_INFO);
}

bool unpackInfo(const Message& reply, Info& info) {
  genlmsghdr header;
  Bytes attributes;
  if (!reply.split(header, attributes) || header.cmd != IPVS_CMD_SET_INFO) return false;
  info = {};
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == IPVS_INFO_ATTR_VERSION) info.version = reader.u32();
    if (reader.type() == IPVS_INFO_ATTR_CONN_TAB_SIZE) info.connectionTableSize = reader.u32();
  }
  return reader.wellFormed();
}

void packTimeoutsQuery(MessageWriter& writer) {
  packCommand(writer, IPVS_CMD_GET_CONFIG);
}

void packTimeouts(MessageWriter& writer, const Timeouts& timeouts) {
  packCommand(writer, IPVS_CMD_SET_CONFIG);
  writer.u32(IPVS_CMD_ATTR_TIMEOUT_TCP, timeouts.tcp);
  writer.u32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, timeouts.tcpFin);
  writer.u32(IPVS_CMD_ATTR_TIMEOUT_UDP, timeouts.udp);
}

bool unpackTimeouts(const Message& reply, Timeouts& timeouts) {
  genlmsghdr header;
  Bytes attributes;
  if (!reply.split(header, attributes) || header.cmd != IPVS_CMD_SET_CONFIG) return false;
  timeouts = {};
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == IPVS_CMD_ATTR_TIMEOUT_TCP) timeouts.tcp = reader.u32();
    if (reader.type() == IPVS_CMD_ATTR_TIMEOUT_TCP_FIN) timeouts.tcpFin = reader.u32();
    if (reader.type() == IPVS_CMD_ATTR_TIMEOUT_UDP) timeouts.udp = reader.u32();
  }
  return reader.wellFormed();
}

}  // namespace ipvs
