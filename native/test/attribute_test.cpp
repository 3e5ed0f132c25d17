#include "../netlink/attribute.h"

#include <linux/netlink.h>

#include "../netlink/message.h"
#include "check.h"

using check::hex;
using check::test;
using netlink::AttributeReader;

int main() {
  test("attributes are read one after the other, padding between them skipped", [] {
    const auto bytes = hex(R"(
      0500 0100 2a000000 | u8 42, three bytes of padding
      0600 0200 1f900000 | u16be 8080
      0800 0300 78563412 | u32
      0800 0400 12345678 | u32be
      0c00 0500 01020304 05060708 | u64be
      0c00 0600 08070605 04030201 | u64)");
    AttributeReader reader(bytes);
    CHECK(reader.next() && reader.type() == 1 && reader.u8() == 42);
    CHECK(reader.next() && reader.type() == 2 && reader.u16be() == 8080);
    CHECK(reader.next() && reader.type() == 3 && reader.u32() == 0x12345678);
    CHECK(reader.next() && reader.type() == 4 && reader.u32be() == 0x12345678);
    CHECK(reader.next() && reader.type() == 5 && reader.u64be() == 0x0102030405060708);
    CHECK(reader.next() && reader.type() == 6 && reader.u64() == 0x0102030405060708);
    CHECK(!reader.next() && reader.wellFormed());
  });

  test("the last attribute's padding may be missing", [] {
    const auto bytes = hex("0500 0100 2a");
    AttributeReader reader(bytes);
    CHECK(reader.next() && reader.u8() == 42);
    CHECK(!reader.next() && reader.wellFormed());
  });

  test("nested and byte-order bits are no part of the type", [] {
    const auto bytes = hex("0400 0280 0400 0340");
    AttributeReader reader(bytes);
    CHECK(reader.next() && reader.type() == 2);
    CHECK(reader.next() && reader.type() == 3);
  });

  test("a length beyond the region ends the walk and is remembered", [] {
    const auto bytes = hex("0400 0100 0900 0200 2a000000");
    AttributeReader reader(bytes);
    CHECK(reader.next() && reader.type() == 1);
    CHECK(!reader.next() && !reader.wellFormed());
    CHECK(!reader.next());
  });

  test("a length smaller than a header ends the walk and is remembered", [] {
    for (const char* text : {"0000 0100", "0300 0100"}) {
      const auto bytes = hex(text);
      AttributeReader reader(bytes);
      CHECK(!reader.next() && !reader.wellFormed());
    }
  });

  test("fewer bytes than a header are padding", [] {
    const auto bytes = hex("0400 0100 000000");
    AttributeReader reader(bytes);
    CHECK(reader.next() && !reader.next() && reader.wellFormed());
    CHECK(!AttributeReader({}).next());
  });

  test("a number of the wrong width reads as zero and is remembered", [] {
    const auto bytes = hex("0800 0100 01000000");
    for (int width : {1, 2, 3}) {
      AttributeReader reader(bytes);
      CHECK(reader.next());
      CHECK((width == 1 ? reader.u8() : width == 2 ? reader.u16() : reader.u16be()) == 0);
      CHECK(!reader.wellFormed());
    }
    const auto two = hex("0600 0100 01000000");
    AttributeReader reader(two);
    CHECK(reader.next() && reader.u32() == 0 && !reader.wellFormed());
    AttributeReader wide(bytes);
    CHECK(wide.next() && wide.u64be() == 0 && !wide.wellFormed());
    AttributeReader narrow(two);
    CHECK(narrow.next() && narrow.u32be() == 0 && !narrow.wellFormed());
  });

  test("a string ends at its first NUL, or with the payload", [] {
    const auto bytes = hex("0700 0100 727200ff 0600 0100 7272");
    AttributeReader reader(bytes);
    CHECK(reader.next() && reader.string() == "rr");
    CHECK(reader.next() && reader.string() == "rr");
  });

  test("a string that leaves no room for NUL is refused and copied nowhere", [] {
    const auto bytes = hex("0800 0100 61626364");
    char target[4] = {'x', 'x', 'x', 'x'};
    AttributeReader reader(bytes);
    CHECK(reader.next());
    reader.stringTo(target);
    CHECK(!reader.wellFormed() && target[0] == '\0' && target[3] == '\0');
  });

  test("bytes are copied only if there are exactly as many", [] {
    const auto bytes = hex("0800 0100 0a600001");
    uint8_t four[4] = {};
    uint8_t three[3] = {};
    AttributeReader reader(bytes);
    CHECK(reader.next());
    reader.bytesTo(four);
    CHECK(reader.wellFormed() && four[0] == 10 && four[3] == 1);
    reader.bytesTo(three);
    CHECK(!reader.wellFormed() && three[0] == 0);
  });

  return check::finish();
}
