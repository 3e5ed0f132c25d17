#include "../netlink/message.h"

#include <errno.h>

#include "check.h"
#include "scripted_kernel.h"

using check::hex;
using check::same;
using check::test;
using netlink::Message;
using netlink::MessageReader;
using netlink::MessageWriter;
using netlink::Verdict;

namespace {

Message only(const std::vector<uint8_t>& datagram) {
  Message message;
  MessageReader(datagram).next(message);
  return message;
}

}  // namespace

int main() {
  test("a message is written as the kernel reads it", [] {
    uint8_t room[128];
    MessageWriter writer(room);
    writer.begin(0x1c, NLM_F_REQUEST | NLM_F_ACK, 7);
    {
      const MessageWriter::Nest nest(writer, 1);
      writer.u16(1, 2);
      writer.u16be(4, 80);
      writer.string(6, "rr");
    }
    writer.u32(5, 0x01020304);
    writer.u32be(7, 0x01020304);
    CHECK(writer.size() == 60);
    const size_t size = writer.finish();
    CHECK(same(netlink::Bytes(room).first(size), hex(R"(
      3c000000 1c00 0500 07000000 00000000 | length type flags sequence port
        1c00 0180                          | nested, 28 bytes
          0600 0100 02000000               | u16, host order
          0600 0400 00500000               | u16, network order
          0700 0600 72720000               | string with its NUL
        0800 0500 04030201                 | u32
        0800 0700 01020304                 | u32, network order)")));
  });

  test("nests may be nested and empty", [] {
    uint8_t room[64];
    MessageWriter writer(room);
    writer.begin(1, 0, 1);
    {
      const MessageWriter::Nest outer(writer, 1);
      const MessageWriter::Nest inner(writer, 2);
    }
    CHECK(writer.finish() == 24);
    CHECK(same(netlink::Bytes(room).subspan(16, 8), hex("0800 0180 0400 0280")));
  });

  test("a message that does not fit fails at every size below its own, and writes nothing beyond its room", [] {
    for (size_t size = 0; size <= 60; ++size) {
      std::vector<uint8_t> room(size + 8, 0xee);
      MessageWriter writer(std::span<uint8_t>(room).first(size));
      writer.begin(1, 0, 1);
      {
        const MessageWriter::Nest nest(writer, 1);
        writer.string(2, "abcdef");
        writer.u32(3, 1);
      }
      writer.bytes(4, hex("00112233445566778899aabbccddeeff"));
      CHECK((writer.finish() == 60) == (size >= 60));
      for (size_t i = size; i < room.size(); ++i) CHECK(room[i] == 0xee);
    }
  });

  test("a payload too long for an attribute fails", [] {
    std::vector<uint8_t> room(1 << 17);
    const std::vector<uint8_t> payload(65'533);
    MessageWriter writer(room);
    writer.begin(1, 0, 1);
    writer.bytes(1, payload);
    CHECK(writer.failed() && writer.finish() == 0);
    MessageWriter text(room);
    text.begin(1, 0, 1);
    text.string(1, std::string(65'531, 'x'));
    CHECK(text.failed());
  });

  test("the messages of a datagram are read in order, to the end", [] {
    auto datagram = scripted::message(20, 0, 1, hex("aabb"));
    const auto second = scripted::message(21, 0, 2);
    datagram.insert(datagram.end(), second.begin(), second.end());
    MessageReader reader(datagram);
    Message message;
    CHECK(reader.next(message) && message.type == 20 && message.sequence == 1 && message.payload.size() == 2);
    CHECK(reader.next(message) && message.type == 21 && message.payload.empty());
    CHECK(!reader.next(message) && reader.wellFormed());
  });

  test("a message cut anywhere, or with an impossible length, ends the walk", [] {
    const auto whole = scripted::message(20, 0, 1, hex("aabbccdd"));
    Message message;
    for (size_t size = 1; size < whole.size(); ++size) {
      MessageReader reader(netlink::Bytes(whole).first(size));
      CHECK(!reader.next(message) && !reader.wellFormed() && !reader.next(message));
    }
    for (const uint32_t length : {0u, 15u, 21u, 0xffffffffu}) {
      auto lying = whole;
      std::memcpy(lying.data(), &length, sizeof length);
      MessageReader reader(lying);
      CHECK(!reader.next(message) && !reader.wellFormed());
    }
  });

  test("an error carries its errno and the kernel's text", [] {
    const auto datagram = scripted::verdict(9, ENETDOWN, "Nexthop device is not up");
    Verdict verdict;
    CHECK(unpackError(only(datagram), verdict) && verdict.error == ENETDOWN);
    CHECK(verdict.text == "Nexthop device is not up");
  });

  test("an error may say where in the request the attribute at fault is", [] {
    const auto datagram = scripted::verdict(9, EEXIST, "taken", 68);
    Verdict verdict;
    CHECK(unpackError(only(datagram), verdict) && verdict.offset == 68 && verdict.text == "taken");
    const auto without = scripted::verdict(9, EEXIST, "taken");
    CHECK(unpackError(only(without), verdict) && verdict.offset == 0);
    const auto plain = scripted::verdict(9, 0);
    verdict.offset = 68;
    CHECK(unpackError(only(plain), verdict) && verdict.offset == 0);
  });

  test("the text is found behind the echo of an uncapped request", [] {
    const auto datagram = hex(R"(
      38000000 0200 0002 01000000 00000000   | NLM_F_ACK_TLVS, not capped
      eaffffff                               | -22
      18000000 1000 0500 01000000 00000000   | the request was 24 bytes
      0800 0100 aaaaaaaa                     | its payload, which looks like text
      0a00 0100 776f7264 0a000000            | "word\n")");
    Verdict verdict;
    CHECK(unpackError(only(datagram), verdict) && verdict.error == EINVAL && verdict.text == "word\n");
  });

  test("an echo that claims more than there is gives no text", [] {
    auto datagram = scripted::verdict(1, EINVAL, "text");
    datagram[7] = NLM_F_ACK_TLVS >> 8;  // not capped
    datagram[20] = datagram[21] = datagram[22] = datagram[23] = 0xff;
    Verdict verdict;
    CHECK(unpackError(only(datagram), verdict) && verdict.error == EINVAL && verdict.text.empty());
  });

  test("what is no errno is no answer", [] {
    for (const int error : {-1, -22, 4096, 0x7fffffff, -0x7fffffff - 1}) {
      auto datagram = scripted::verdict(1, 0);
      const int32_t number = error;
      std::memcpy(datagram.data() + NLMSG_HDRLEN, &number, sizeof number);
      Verdict verdict;
      CHECK(unpackError(only(datagram), verdict) == (number <= 0 && number >= -4095));
    }
    Verdict verdict;
    CHECK(!unpackError(only(scripted::message(NLMSG_ERROR, 0, 1, hex("00000000"))), verdict));
  });

  test("the end of a dump carries an errno of its own", [] {
    Verdict verdict;
    CHECK(unpackDone(only(scripted::done(1)), verdict) && verdict.error == 0);
    CHECK(unpackDone(only(scripted::done(1, ENODEV)), verdict) && verdict.error == ENODEV);
    CHECK(unpackDone(only(scripted::message(NLMSG_DONE, 0, 1)), verdict) && verdict.error == 0);
    CHECK(!unpackDone(only(scripted::message(NLMSG_DONE, 0, 1, hex("0000"))), verdict));
    CHECK(!unpackDone(only(scripted::message(NLMSG_DONE, 0, 1, hex("01000000"))), verdict));
  });

  return check::finish();
}
