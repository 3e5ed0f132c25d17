#include "nftables_element.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <limits>

#include "../netlink/attribute.h"

namespace nftables {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::Message;
using netlink::MessageWriter;

namespace {

void packValue(MessageWriter& writer, uint16_t type, Bytes value) {
  const MessageWriter::Nest data(writer, type);
  writer.bytes(NFTA_DATA_VALUE, value);
}

// The whole length, and as much of the value as there is room for. A verdict is no value and reads as none.
template <size_t size>
void unpackValue(AttributeReader& attributes, uint8_t (&bytes)[size], uint8_t& length) {
  AttributeReader reader(attributes.payload());
  while (reader.next()) {
    if (reader.type() != NFTA_DATA_VALUE) continue;
    const Bytes value = reader.payload();
    // A register holds 64 bytes (NFT_DATA_VALUE_MAXLEN).
    if (value.size() > std::numeric_limits<uint8_t>::max()) {
      attributes.refuse();
      return;
    }
    length = static_cast<uint8_t>(value.size());
    std::ranges::copy(value.first(std::min(value.size(), size)), bytes);
  }
  if (!reader.wellFormed()) attributes.refuse();
}

void packElement(MessageWriter& writer, const Element& element) {
  const MessageWriter::Nest item(writer, NFTA_LIST_ELEM);
  if (element.keyLength == 0) return writer.u32be(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_CATCHALL);
  packValue(writer, NFTA_SET_ELEM_KEY, Bytes(element.key).first(element.keyLength));
  if (element.endLength != 0) packValue(writer, NFTA_SET_ELEM_KEY_END, Bytes(element.end).first(element.endLength));
  if (element.dataLength != 0 && element.verb == Verb::add) {
    packValue(writer, NFTA_SET_ELEM_DATA, Bytes(element.data).first(element.dataLength));
  }
}

// None but the catch-all comes without a key (nf_tables_fill_setelem, 6.1).
void unpackElement(AttributeReader& attributes, Element& element) {
  AttributeReader reader(attributes.payload());
  while (reader.next()) {
    if (reader.type() == NFTA_SET_ELEM_KEY) unpackValue(reader, element.key, element.keyLength);
    if (reader.type() == NFTA_SET_ELEM_KEY_END) unpackValue(reader, element.end, element.endLength);
    if (reader.type() == NFTA_SET_ELEM_DATA) unpackValue(reader, element.data, element.dataLength);
  }
  if (!reader.wellFormed()) attributes.refuse();
}

// An element of the widest key, range and data, with the headers of itself, of each and of its value.
constexpr size_t largestElement =
    NLA_HDRLEN + 3 * 2 * NLA_HDRLEN + sizeof Element::key + sizeof Element::end + sizeof Element::data;
static_assert(elementsRoom > std::numeric_limits<uint16_t>::max() + 256, "a full list, its headers and two names");

bool together(const Element& one, const Element& other) {
  return one.verb == other.verb && one.family == other.family && std::ranges::equal(one.set, other.set);
}

}  // namespace

Command commandOf(const Element& op) {
  // Without EXCL: what is there already is as good as added.
  if (op.verb == Verb::add) return {typeOf(NFT_MSG_NEWSETELEM), NLM_F_CREATE};
  return {typeOf(NFT_MSG_DELSETELEM), 0};
}

size_t packElements(MessageWriter& writer, std::string_view table, std::span<const Element> ops,
                    netlink::FunctionRef<void()> beforeEach) {
  packHeader(writer, ops.front().family);
  writer.string(NFTA_SET_ELEM_LIST_TABLE, table);
  writer.string(NFTA_SET_ELEM_LIST_SET, textOf(ops.front().set));
  const size_t start = writer.size();
  const MessageWriter::Nest list(writer, NFTA_SET_ELEM_LIST_ELEMENTS);
  size_t count = 0;
  for (const Element& op : ops) {
    const bool fits = writer.size() - start + largestElement <= std::numeric_limits<uint16_t>::max();
    if (!fits || !together(op, ops.front())) break;
    beforeEach();
    packElement(writer, op);
    ++count;
  }
  return count;
}

void packElementsQuery(MessageWriter& writer, uint8_t family, std::string_view table, std::string_view set) {
  packHeader(writer, family);
  writer.string(NFTA_SET_ELEM_LIST_TABLE, table);
  writer.string(NFTA_SET_ELEM_LIST_SET, set);
}

bool unpackElements(const Message& message, std::vector<Element>& elements) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  Element blank{};
  blank.family = familyOf(header);
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_SET_ELEM_LIST_SET) copyText(reader.string(), blank.set);
    if (reader.type() != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    AttributeReader list(reader.payload());
    while (list.next()) {
      elements.push_back(blank);
      unpackElement(list, elements.back());
    }
    if (!list.wellFormed()) reader.refuse();
  }
  return reader.wellFormed();
}

}  // namespace nftables
