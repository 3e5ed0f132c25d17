#include "../families/nftables_element.h"

#include <algorithm>
#include <cstring>

#include "check.h"
#include "nftables_records.h"
#include "recording.h"

using check::hex;
using check::same;
using check::test;
using netlink::Message;
using netlink::MessageWriter;
using nftables::Element;
using records::element;
using records::Verb;

namespace {

using Elements = std::vector<Element>;

// The message of the first elements that fit into one, and the offset of each.
struct Packed {
  std::vector<uint8_t> payload;
  std::vector<size_t> offsets;
  size_t count;
};

Packed pack(const Elements& ops) {
  Packed packed;
  std::vector<uint8_t> room(nftables::elementsRoom);
  MessageWriter writer(room);
  writer.begin(0, 0, 1);
  packed.count = packElements(writer, "kube-ipvs", ops, [&] { packed.offsets.push_back(writer.size()); });
  const size_t size = writer.finish();
  CHECK(size != 0);
  packed.payload.assign(room.begin() + NLMSG_HDRLEN, room.begin() + static_cast<ptrdiff_t>(size));
  return packed;
}

// Bytes as nft 1.0.6 sends them (`nft --debug=mnl`), without the number it has for a set.
void packingTests() {
  test("an element of a map has key and data, and none of it when it goes", [] {
    Element op = element("m", "0a000001 06000000 00500000", "", "0a010101 1f900000");
    CHECK(commandOf(op).type == 0x0a0c && commandOf(op).flags == NLM_F_CREATE);
    CHECK(same(pack({op}).payload, hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 6d000000
      2c00 0380
        2800 0180
          1400 0180
            1000 0100 0a000001 06000000 00500000
          1000 0280
            0c00 0100 0a010101 1f900000)")));
    op.verb = Verb::remove;
    CHECK(commandOf(op).type == 0x0a0e && commandOf(op).flags == 0);
    CHECK(same(pack({op}).payload, hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 6d000000
      1c00 0380
        1800 0180
          1400 0180
            1000 0100 0a000001 06000000 00500000)")));
  });

  test("a range has its end, when it comes and when it goes", [] {
    Element op = element("r", "0a000001 06000000 00500000 0a000000", "0a000001 06000000 00500000 0affffff");
    const auto expected = hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 72000000
      3800 0380
        3400 0180
          1800 0180
            1400 0100 0a000001 06000000 00500000 0a000000
          1800 0a80
            1400 0100 0a000001 06000000 00500000 0affffff)");
    CHECK(same(pack({op}).payload, expected));
    op.verb = Verb::remove;
    CHECK(same(pack({op}).payload, expected));
  });

  test("the catch-all of a set is named by a flag", [] {
    Element op = element("a", "");
    op.verb = Verb::remove;
    CHECK(same(pack({op}).payload, hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 61000000
      1000 0380
        0c00 0180
          0800 0300 00000002)")));
  });

  test("elements share a message while family, set and verb are the same", [] {
    const Element one = element("a", "0a000001");
    const Element two = element("a", "0a000002");
    const Packed packed = pack({one, two});
    CHECK(packed.count == 2 && packed.offsets == std::vector<size_t>({16 + 4 + 16 + 8 + 4, 16 + 4 + 16 + 8 + 4 + 16}));
    CHECK(same(packed.payload, hex(R"(
      02000000
      0e00 0100 6b756265 2d697076 73000000
      0600 0200 61000000
      2400 0380
        1000 0180
          0c00 0180
            0800 0100 0a000001
        1000 0180
          0c00 0180
            0800 0100 0a000002)")));
    Element removed = two;
    removed.verb = Verb::remove;
    Element six = two;
    six.family = 6;
    CHECK(pack({one, two, removed}).count == 2 && pack({one, six}).count == 1);
    CHECK(pack({one, element("ab", "0a000002")}).count == 1);
    CHECK(pack({six}).payload[0] == 10);
  });

  test("a message is full where the next element might be too much for its list", [] {
    const Elements small(20'000, element("a", "0a000001"));
    const Packed first = pack(small);
    CHECK(first.count > 4000 && first.count * 16 <= 65'535 && first.count * 16 > 65'535 - 200);
    const char* key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0011223344556677";
    const char* data = "00112233445566778899aabbccddeeff0011223344556677";
    const Elements large(20'000, element("twenty-three-characters", key, key, data));
    const Packed second = pack(large);
    CHECK(second.count == 65'535 / 132 && second.offsets.size() == second.count);
  });
}

Elements recorded(const char* name) {
  Elements elements;
  recording::eachMessage(name, [&](const Message& message) { CHECK(unpackElements(message, elements)); });
  return elements;
}

bool holds(const Elements& elements, Element expected) {
  expected.verb = Verb::none;
  return std::ranges::any_of(elements,
                             [&](const Element& one) { return std::memcmp(&one, &expected, sizeof one) == 0; });
}

void recordingTests() {
  test("recorded elements are read with keys, ranges and data", [] {
    const Elements map = recorded("nftables_element/elements-forward");
    CHECK(map.size() == 2);
    CHECK(holds(map, element("forward", "0a000001 06000000 00500000", "", "0a010101 1f900000")));
    CHECK(holds(map, element("forward", "0a000002 11000000 00350000", "", "0a010102 14e90000")));
    const Elements ranges = recorded("nftables_element/elements-allowed");
    CHECK(ranges.size() == 2);
    CHECK(holds(ranges,
                element("allowed", "0a000001 06000000 00500000 0a000000", "0a000001 06000000 00500000 0affffff")));
    CHECK(holds(ranges,
                element("allowed", "0a000002 11000000 00350000 c0000201", "0a000002 11000000 00350000 c0000209")));
  });

  test("time-outs, counters and comments of recorded elements are passed over", [] {
    const Elements odd = recorded("nftables_element/elements-odd");
    CHECK(odd.size() == 2 && holds(odd, element("odd", "0a000001")) && holds(odd, element("odd", "0a000002")));
  });
}

Message message(const std::vector<uint8_t>& payload) {
  return {.type = 0, .flags = 0, .sequence = 0, .payload = payload};
}

void unpackingTests() {
  test("a query names table and set", [] {
    uint8_t room[512];
    MessageWriter writer(room);
    writer.begin(0, 0, 1);
    nftables::packElementsQuery(writer, 6, "kube-ipvs", "m");
    const size_t size = writer.finish();
    CHECK(same(netlink::Bytes(room).subspan(16, size - 16),
               hex("0a000000 0e00 0100 6b756265 2d697076 73000000 0600 0200 6d000000")));
  });

  test("a key that is too long is cut, its length is not; a catch-all has none, and a verdict is no data", [] {
    Elements elements;
    const auto payload = hex(R"(
      02000000 0600 0200 61000000 6c00 0380
        3800 0180 3400 0180 3000 0100 00000000 11111111 22222222 33333333 44444444 55555555
                                      66666666 77777777 88888888 99999999 aaaaaaaa
        0c00 0180 0800 0380 00000002
        2400 0180 0c00 0180 0800 0100 0a000001 1400 0280 1000 0280 0c00 0100 00000001 00000000)");
    CHECK(unpackElements(message(payload), elements) && elements.size() == 3);
    CHECK(elements[0].keyLength == 44 && elements[0].key[39] == 0x99 && elements[0].endLength == 0);
    CHECK(elements[1].keyLength == 0 && elements[1].set[0] == 'a');
    CHECK(elements[2].keyLength == 4 && elements[2].dataLength == 0);
  });

  test("what is cut off or lies about its length is refused", [] {
    Elements elements;
    CHECK(!unpackElements(message(hex("0200")), elements));
    CHECK(!unpackElements(message(hex("02000000 ff00 0380 00000000")), elements));
    CHECK(!unpackElements(message(hex("02000000 0c00 0380 ff00 0180 00000000")), elements));
    CHECK(!unpackElements(message(hex("02000000 0c00 0380 0800 0180 ff00 0180")), elements));
    CHECK(!unpackElements(message(hex("02000000 1000 0380 0c00 0180 0800 0180 ff00 0100")), elements));
    std::vector<uint8_t> wide = hex("02000000 1001 0380 0c01 0180 0801 0180 0401 0100");
    wide.resize(wide.size() + 256);
    CHECK(!unpackElements(message(wide), elements));
    CHECK(unpackElements(message(hex("02000000 1400 0380 1000 0180 0c00 0180 0800 0100 0a000001")), elements));
  });
}

}  // namespace

int main() {
  packingTests();
  recordingTests();
  unpackingTests();
  return check::finish();
}
