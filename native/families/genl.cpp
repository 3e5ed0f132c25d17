#include "genl.h"

#include <errno.h>

#include "../netlink/attribute.h"
#include "../netlink/batch.h"

namespace genl {

namespace {

// The controller has always answered version 1 and ignores what is asked.
constexpr uint8_t controllerVersion = 1;

}  // namespace

bool unpackFamily(const netlink::Message& reply, uint16_t& family) {
  genlmsghdr header;
  netlink::Bytes attributes;
  if (reply.type != GENL_ID_CTRL || !reply.split(header, attributes)) return false;
  netlink::AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == CTRL_ATTR_FAMILY_ID) family = reader.u16();
  }
  return reader.wellFormed();
}

netlink::Outcome findFamily(netlink::Socket& socket, std::string_view name, uint16_t& family) {
  uint16_t found = 0;
  netlink::Outcome outcome = netlink::request(
      socket, "CTRL_CMD_GETFAMILY",
      [&](netlink::Batches& batches) {
        netlink::MessageWriter& writer = batches.begin(0, GENL_ID_CTRL, 0);
        packCommand(writer, CTRL_CMD_GETFAMILY, controllerVersion);
        writer.string(CTRL_ATTR_FAMILY_NAME, name);
        batches.commit();
      },
      [&](const netlink::Message& reply) { return unpackFamily(reply, found); });
  if (outcome.error == ENOENT) outcome.code = "ERR_NO_FAMILY";
  if (outcome.ok() && found < NLMSG_MIN_TYPE) return netlink::failure(EBADMSG, "CTRL_CMD_GETFAMILY");
  if (outcome.ok()) family = found;
  return outcome;
}

}  // namespace genl
