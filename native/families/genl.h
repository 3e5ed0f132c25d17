// Generic netlink: families that have no number of their own but are found by name.
//
//   | nlmsghdr, type = family | command | version | reserved (2) |  attributes  |
#pragma once

#include <linux/genetlink.h>

#include "../netlink/message.h"
#include "../netlink/outcome.h"
#include "../netlink/socket.h"

namespace genl {

/// Begins a command of a family: the header that follows nlmsghdr.
inline void packCommand(netlink::MessageWriter& writer, uint8_t command, uint8_t version) {
  writer.header(genlmsghdr{.cmd = command, .version = version, .reserved = 0});
}

/// Reads the family's number from the answer to CTRL_CMD_GETFAMILY; 0 stays where there is none.
bool unpackFamily(const netlink::Message& reply, uint16_t& family);

/// Asks for a family's number; the kernel loads its module if it can (the alias net-pf-16-proto-16-family-NAME).
/// Fails with the code ERR_NO_FAMILY if there is none.
netlink::Outcome findFamily(netlink::Socket& socket, std::string_view name, uint16_t& family);

}  // namespace genl
