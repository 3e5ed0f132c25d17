#include "conntrack_codec.h"

#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>

#include "../netlink/attribute.h"
#include "address.h"

namespace conntrack {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::Message;
using netlink::MessageWriter;

namespace {

// What CTA_FILTER_ORIG_FLAGS are made of: CTA_FILTER_F_* of net/netfilter/nf_internals.h, which uapi does not export.
constexpr uint32_t compareDestination = 1U << 1;
constexpr uint32_t compareProtocol = 1U << 3;
constexpr uint32_t compareDestinationPort = 1U << 5;

// One direction of a flow.
struct Tuple {
  uint8_t protocol;
  uint16_t zone;
  uint16_t sourcePort;
  uint16_t destinationPort;
  uint8_t (&source)[16];
  uint8_t (&destination)[16];
};

void packHeader(MessageWriter& writer, uint8_t family) {
  writer.header(nfgenmsg{.nfgen_family = address::toAf(family), .version = NFNETLINK_V0, .res_id = 0});
}

void packAddress(MessageWriter& writer, uint16_t type, uint8_t family, const uint8_t (&bytes)[16]) {
  writer.bytes(type, Bytes(bytes).first(address::sizeOf(family)));
}

void unpackAddresses(AttributeReader& tuples, Tuple& tuple) {
  AttributeReader reader(tuples.payload());
  while (reader.next()) {
    switch (reader.type()) {
      case CTA_IP_V4_SRC:
        reader.bytesTo(std::span(tuple.source).first<4>());
        break;
      case CTA_IP_V4_DST:
        reader.bytesTo(std::span(tuple.destination).first<4>());
        break;
      case CTA_IP_V6_SRC:
        reader.bytesTo(tuple.source);
        break;
      case CTA_IP_V6_DST:
        reader.bytesTo(tuple.destination);
        break;
    }
  }
  if (!reader.wellFormed()) tuples.refuse();
}

void unpackProtocol(AttributeReader& tuples, Tuple& tuple) {
  AttributeReader reader(tuples.payload());
  while (reader.next()) {
    if (reader.type() == CTA_PROTO_NUM) tuple.protocol = reader.u8();
    if (reader.type() == CTA_PROTO_SRC_PORT) tuple.sourcePort = reader.u16be();
    if (reader.type() == CTA_PROTO_DST_PORT) tuple.destinationPort = reader.u16be();
  }
  if (!reader.wellFormed()) tuples.refuse();
}

void unpackTuple(AttributeReader& flows, Tuple& tuple) {
  AttributeReader reader(flows.payload());
  while (reader.next()) {
    if (reader.type() == CTA_TUPLE_IP) unpackAddresses(reader, tuple);
    if (reader.type() == CTA_TUPLE_PROTO) unpackProtocol(reader, tuple);
    if (reader.type() == CTA_TUPLE_ZONE) tuple.zone = reader.u16be();
  }
  if (!reader.wellFormed()) flows.refuse();
}

}  // namespace

FlowKey filterOf(const FlowKey& key) {
  FlowKey filter = key;
  // ctnetlink_filter_match_tuple (5.8 to 6.18 at least) takes the 0 of ipv6_addr_cmp for a difference, and leaves out
  // just the flows that were asked for.
  if (key.family == address::v6) std::ranges::fill(filter.address, uint8_t{0});
  // The same function compares the ports of these two alone.
  if (key.protocol != IPPROTO_TCP && key.protocol != IPPROTO_UDP) filter.port = 0;
  return filter;
}

void packFlowsQuery(MessageWriter& writer, const FlowKey& filter) {
  packHeader(writer, filter.family);
  if (filter.protocol == 0) return;
  const bool byAddress = !address::isZero(filter.address);
  const bool byPort = filter.port != 0;
  {
    const MessageWriter::Nest tuple(writer, CTA_TUPLE_ORIG);
    if (byAddress) {
      const MessageWriter::Nest addresses(writer, CTA_TUPLE_IP);
      packAddress(writer, CTA_IP_V4_DST, filter.family, filter.address);
    }
    const MessageWriter::Nest protocol(writer, CTA_TUPLE_PROTO);
    writer.u8(CTA_PROTO_NUM, filter.protocol);
    if (byPort) writer.u16be(CTA_PROTO_DST_PORT, filter.port);
  }
  const MessageWriter::Nest flags(writer, CTA_FILTER);
  writer.u32(CTA_FILTER_ORIG_FLAGS,
             compareProtocol | (byAddress ? compareDestination : 0) | (byPort ? compareDestinationPort : 0));
}

bool unpackFlow(const Message& message, Flow& flow) {
  nfgenmsg header;
  Bytes attributes;
  if (message.type != newFlow || !message.split(header, attributes)) return false;
  flow = {};
  flow.family = address::fromAf(header.nfgen_family);
  if (flow.family == 0) return true;
  Tuple original{0, 0, 0, 0, flow.originalSource, flow.originalDestination};
  Tuple reply{0, 0, 0, 0, flow.replySource, flow.replyDestination};
  bool found = false;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == CTA_TUPLE_ORIG) {
      unpackTuple(reader, original);
      found = true;
    }
    if (reader.type() == CTA_TUPLE_REPLY) unpackTuple(reader, reply);
    if (reader.type() == CTA_ZONE) flow.zone = reader.u16be();
    if (reader.type() == CTA_ID) flow.id = reader.u32be();
    if (reader.type() == CTA_STATUS) flow.status = reader.u32be();
    if (reader.type() == CTA_MARK) flow.mark = reader.u32be();
  }
  // A zone of one direction alone stands in that direction's tuple. The original's is what a deletion is looked up by.
  if (original.zone != 0) flow.zone = original.zone;
  flow.protocol = original.protocol;
  flow.originalSourcePort = original.sourcePort;
  flow.originalDestinationPort = original.destinationPort;
  flow.replySourcePort = reply.sourcePort;
  flow.replyDestinationPort = reply.destinationPort;
  return reader.wellFormed() && found;
}

void packDeletion(MessageWriter& writer, const Flow& flow) {
  packHeader(writer, flow.family);
  // Without a tuple the kernel would delete every flow there is (ctnetlink_del_conntrack).
  const bool isV6 = flow.family == address::v6;
  {
    const MessageWriter::Nest tuple(writer, CTA_TUPLE_ORIG);
    {
      const MessageWriter::Nest addresses(writer, CTA_TUPLE_IP);
      packAddress(writer, isV6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, flow.family, flow.originalSource);
      packAddress(writer, isV6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, flow.family, flow.originalDestination);
    }
    const MessageWriter::Nest protocol(writer, CTA_TUPLE_PROTO);
    writer.u8(CTA_PROTO_NUM, flow.protocol);
    writer.u16be(CTA_PROTO_SRC_PORT, flow.originalSourcePort);
    writer.u16be(CTA_PROTO_DST_PORT, flow.originalDestinationPort);
  }
  if (flow.zone != 0) writer.u16be(CTA_ZONE, flow.zone);
  writer.u32be(CTA_ID, flow.id);
}

}  // namespace conntrack
