// Elements of sets (linux/netfilter/nf_tables.h), many to a message:
//
//   | nfgenmsg |  TABLE  SET  ELEMENTS{  LIST_ELEM{ KEY{ VALUE }  KEY_END{ VALUE }  DATA{ VALUE } }  … }
//                                        LIST_ELEM{ FLAGS }                     the catch-all, when it goes
#pragma once

#include <string_view>
#include <vector>

#include "../netlink/function_ref.h"
#include "../netlink/message.h"
#include "nftables_message.h"
#include "nftables_record.h"

namespace nftables {

Command commandOf(const Element& op);
/// How much room packElements takes at most.
inline constexpr size_t elementsRoom = 66 * 1024;
/// As many of the operations as are of the first one's family, set and verb and fit into one message; their number.
/// Calls `beforeEach` before it writes one.
size_t packElements(netlink::MessageWriter& writer, std::string_view table, std::span<const Element> ops,
                    netlink::FunctionRef<void()> beforeEach);

void packElementsQuery(netlink::MessageWriter& writer, uint8_t family, std::string_view table, std::string_view set);
/// Reads NFT_MSG_NEWSETELEM and appends what is in it; false unless it is whole.
bool unpackElements(const netlink::Message& message, std::vector<Element>& elements);

}  // namespace nftables
