#include "message.h"

#include <algorithm>
#include <limits>

#include "attribute.h"

namespace netlink {

namespace {

// linux/err.h MAX_ERRNO, which uapi does not export: no kernel answer lies beyond.
constexpr int32_t largestErrno = 4095;

bool toErrno(int32_t negative, int& error) {
  if (negative > 0 || negative < -largestErrno) return false;
  error = -negative;
  return true;
}

void unpackExtended(Bytes attributes, Verdict& verdict) {
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NLMSGERR_ATTR_MSG) verdict.text = reader.string();
    if (reader.type() == NLMSGERR_ATTR_OFFS) verdict.offset = reader.u32();
  }
}

}  // namespace

bool MessageReader::next(Message& message) {
  if (rest_.size() < NLMSG_HDRLEN) {
    if (!rest_.empty()) wellFormed_ = false;
    rest_ = {};
    return false;
  }
  const nlmsghdr header = load<nlmsghdr>(rest_.data());
  if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest_.size()) {
    wellFormed_ = false;
    rest_ = {};
    return false;
  }
  message.type = header.nlmsg_type;
  message.flags = header.nlmsg_flags;
  message.sequence = header.nlmsg_seq;
  message.payload = rest_.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN);
  const size_t stride = NLMSG_ALIGN(size_t{header.nlmsg_len});
  rest_ = rest_.subspan(std::min(stride, rest_.size()));
  return true;
}

bool unpackError(const Message& message, Verdict& verdict) {
  nlmsgerr header;
  Bytes rest;
  if (!message.split(header, rest) || !toErrno(header.error, verdict.error)) return false;
  verdict.text = {};
  verdict.offset = 0;
  if ((message.flags & NLM_F_ACK_TLVS) == 0) return true;
  size_t echoed = 0;
  if ((message.flags & NLM_F_CAPPED) == 0 && header.msg.nlmsg_len >= NLMSG_HDRLEN) {
    echoed = NLMSG_ALIGN(size_t{header.msg.nlmsg_len}) - NLMSG_HDRLEN;
  }
  if (echoed <= rest.size()) unpackExtended(rest.subspan(echoed), verdict);
  return true;
}

bool unpackDone(const Message& message, Verdict& verdict) {
  verdict = {};
  // Multicast-style DONE messages carry nothing; a dump's carries an int, followed by attributes since 4.20.
  if (message.payload.size() < sizeof(int32_t)) return message.payload.empty();
  if (!toErrno(load<int32_t>(message.payload.data()), verdict.error)) return false;
  if (message.flags & NLM_F_ACK_TLVS) unpackExtended(message.payload.subspan(sizeof(int32_t)), verdict);
  return true;
}

MessageWriter::Nest::~Nest() {
  const size_t length = writer_.used_ - start_;
  if (length > std::numeric_limits<uint16_t>::max()) writer_.failed_ = true;
  if (writer_.failed_) return;
  const auto short_length = static_cast<uint16_t>(length);
  std::memcpy(writer_.room_.data() + start_ + offsetof(nlattr, nla_len), &short_length, sizeof short_length);
}

size_t MessageWriter::finish() {
  if (failed_ || used_ < NLMSG_HDRLEN) return 0;
  const auto length = static_cast<uint32_t>(used_);
  std::memcpy(room_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
  return used_;
}

}  // namespace netlink
