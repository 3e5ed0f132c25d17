// Whole exchanges against a kernel that answers with the input: which exchange, then datagrams, each behind its length.
//
//   | exchange (1) | length (2, host order) | datagram | length | datagram | …
//
// Sequence numbers in the input count from that of the first message of the request, so that answers match.

#include <errno.h>
#include <linux/genetlink.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <numeric>

#include "../families/conntrack_client.h"
#include "../families/ipvs_client.h"
#include "../families/nftables_client.h"
#include "../families/route_client.h"
#include "decoder.h"

namespace {

constexpr uint16_t family = 0x20;

// System calls have no place for state, so what they share is here.
struct Kernel {
  netlink::Bytes input;
  uint32_t firstSequence = 0;
  bool askedForFamily = false;
};
Kernel kernel;

void shiftSequences(uint8_t* bytes, size_t size) {
  size_t at = 0;
  netlink::MessageReader reader({bytes, size});
  netlink::Message message;
  while (reader.next(message)) {
    const uint32_t sequence = message.sequence + kernel.firstSequence;
    std::memcpy(bytes + at + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    at += NLMSG_ALIGN(NLMSG_HDRLEN + message.payload.size());
  }
}

ssize_t answerFamily(msghdr* header) {
  const nlmsgerr acknowledgement{};
  uint8_t* room = static_cast<uint8_t*>(header->msg_iov->iov_base);
  netlink::MessageWriter reply({room, 256});
  reply.begin(GENL_ID_CTRL, 0, kernel.firstSequence);
  reply.header(genlmsghdr{.cmd = CTRL_CMD_NEWFAMILY, .version = 2, .reserved = 0});
  reply.u16(CTRL_ATTR_FAMILY_ID, family);
  const size_t size = reply.finish();
  netlink::MessageWriter end({room + size, 256});
  end.begin(NLMSG_ERROR, NLM_F_CAPPED, kernel.firstSequence);
  end.header(acknowledgement);
  kernel.askedForFamily = false;
  return static_cast<ssize_t>(size + end.finish());
}

ssize_t send(int, const void* bytes, size_t size, int) {
  const nlmsghdr header = netlink::load<nlmsghdr>(static_cast<const uint8_t*>(bytes));
  kernel.firstSequence = header.nlmsg_seq;
  // In the netfilter family that number is NFNL_MSG_BATCH_BEGIN, whose payload begins with 0.
  kernel.askedForFamily =
      header.nlmsg_type == GENL_ID_CTRL && static_cast<const uint8_t*>(bytes)[NLMSG_HDRLEN] == CTRL_CMD_GETFAMILY;
  return static_cast<ssize_t>(size);
}

ssize_t receive(int, msghdr* header, int) {
  header->msg_namelen = 0;
  header->msg_flags = 0;
  if (kernel.askedForFamily) return answerFamily(header);
  if (kernel.input.size() < sizeof(uint16_t)) {
    errno = ECONNRESET;  // rather than a time-out, which takes time
    return -1;
  }
  const uint16_t length = netlink::load<uint16_t>(kernel.input.data());
  kernel.input = kernel.input.subspan(sizeof length);
  if (length == 0xffff) {
    errno = ENOBUFS;
    return -1;
  }
  const size_t size = std::min<size_t>(length, kernel.input.size());
  uint8_t* room = static_cast<uint8_t*>(header->msg_iov->iov_base);
  std::copy_n(kernel.input.begin(), size, room);
  kernel.input = kernel.input.subspan(size);
  shiftSequences(room, size);
  if (size < length) header->msg_flags |= MSG_TRUNC;
  return static_cast<ssize_t>(size);
}

netlink::Socket connect(netlink::Bytes input) {
  kernel = {.input = input, .firstSequence = 0, .askedForFamily = false};
  netlink::Socket socket({.send = send, .receive = receive, .wait = [](pollfd*, nfds_t, int) { return 0; }});
  const netlink::Descriptor any(::eventfd(0, EFD_CLOEXEC));
  socket.open(0, {.networkNamespace = {}, .descriptor = any.get(), .timeoutMilliseconds = 1});
  return socket;
}

void check(const netlink::Answers& answers, size_t count) {
  if (answers.errnos.size() != count) std::abort();
  for (const int32_t error : answers.errnos) {
    if (error < netlink::unknown || error > 4095) std::abort();
  }
  for (const auto& text : answers.texts) {
    if (text.index >= count) std::abort();
  }
}

void apply(netlink::Socket socket) {
  ipvs::Op op{};
  op.verb = ipvs::Verb::add;
  op.kind = ipvs::Kind::service;
  op.family = 4;
  const std::vector<ipvs::Op> ops(4, op);
  netlink::Answers answers;
  ipvs::Client(std::move(socket)).apply(ops, answers);
  check(answers, ops.size());
}

void find(netlink::Socket socket) {
  const std::vector<ipvs::Op> keys(4);
  std::vector<ipvs::Entry> entries;
  netlink::Answers answers;
  ipvs::Client(std::move(socket)).find(keys, entries, answers);
  check(answers, keys.size());
  if (entries.size() != keys.size()) std::abort();
}

void destinations(netlink::Socket socket) {
  const std::vector<ipvs::Op> keys(4);
  std::vector<ipvs::Entry> entries;
  std::vector<uint32_t> counts;
  const netlink::Outcome outcome = ipvs::Client(std::move(socket)).destinations(keys, entries, counts);
  const size_t counted = std::accumulate(counts.begin(), counts.end(), size_t{0});
  if (outcome.ok() && counted != entries.size()) std::abort();
}

void flows(netlink::Socket socket) {
  const std::vector<conntrack::FlowKey> keys = {
      {.family = 4, .protocol = 17, .port = 53, .reserved = {}, .address = {10, 96, 0, 10}},
      {.family = 6, .protocol = 17, .port = 53, .reserved = {}, .address = {0xfd, 0, 0, 0x96}}};
  std::vector<conntrack::Flow> found;
  conntrack::Client(std::move(socket)).flows(keys, found);
  for (const conntrack::Flow& flow : found) {
    if (flow.protocol != 17 || flow.originalDestinationPort != 53) std::abort();
  }
}

void removeFlows(netlink::Socket socket) {
  conntrack::Flow flow{};
  flow.family = 4;
  flow.protocol = 17;
  const std::vector<conntrack::Flow> given(4, flow);
  netlink::Answers answers;
  conntrack::Client(std::move(socket)).remove(given, answers);
  check(answers, given.size());
}

nftables::Client nftablesClient(netlink::Socket socket) {
  return nftables::Client(std::move(socket), "kube-ipvs");
}

void applyObjects(netlink::Socket socket) {
  nftables::Object op{};
  op.verb = nftables::Verb::add;
  op.kind = nftables::Kind::table;
  op.family = 4;
  const std::vector<nftables::Object> ops(4, op);
  netlink::Answers answers;
  nftablesClient(std::move(socket)).apply(ops, answers);
  check(answers, ops.size());
}

void applyElements(netlink::Socket socket) {
  nftables::Element op{};
  op.verb = nftables::Verb::add;
  op.family = 4;
  op.keyLength = 4;
  std::vector<nftables::Element> ops(4, op);
  ops.back().verb = nftables::Verb::remove;
  netlink::Answers answers;
  nftablesClient(std::move(socket)).applyElements(ops, answers);
  check(answers, ops.size());
}

using Exchange = void (*)(netlink::Socket);

const Exchange exchanges[] = {
    apply,
    find,
    destinations,
    [](netlink::Socket socket) {
      std::vector<ipvs::Entry> entries;
      ipvs::Client(std::move(socket)).services(entries);
    },
    [](netlink::Socket socket) {
      std::vector<ipvs::Traffic> counters;
      ipvs::Client(std::move(socket)).traffic(counters);
    },
    [](netlink::Socket socket) {
      ipvs::Info info;
      ipvs::Client(std::move(socket)).info(info);
    },
    [](netlink::Socket socket) {
      std::vector<route::Link> links;
      route::Client(std::move(socket)).links(links);
    },
    [](netlink::Socket socket) {
      std::vector<route::Record> records;
      route::Client(std::move(socket)).addresses(0, records);
    },
    [](netlink::Socket socket) {
      std::vector<route::Record> records;
      route::Client(std::move(socket)).localRoutes(0, records);
    },
    flows,
    removeFlows,
    applyObjects,
    applyElements,
    [](netlink::Socket socket) {
      std::vector<nftables::Object> objects;
      nftablesClient(std::move(socket)).objects(4, objects);
    },
    [](netlink::Socket socket) {
      std::vector<nftables::Element> elements;
      nftablesClient(std::move(socket)).elements(4, "nodes", elements);
    },
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const netlink::Bytes input = netlink::Bytes(bytes, size).subspan(1);
  // A recording does not say which exchange it is the answer to: it is tried as the answer to each.
  if (bytes[0] >= std::size(exchanges)) {
    for (const Exchange exchange : exchanges) exchange(connect(input));
  } else {
    exchanges[bytes[0]](connect(input));
  }
  return 0;
}
