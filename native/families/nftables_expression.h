// Expressions, the steps of a rule (linux/netfilter/nf_tables.h):
//
//    LIST_ELEM{  EXPR_NAME "payload"  EXPR_DATA{ PAYLOAD_DREG  PAYLOAD_BASE  PAYLOAD_OFFSET  PAYLOAD_LEN }  }
//
// One description of each expression's attributes both writes and reads them, so that neither can forget one.
#pragma once

#include "../netlink/attribute.h"
#include "../netlink/message.h"
#include "nftables_record.h"

namespace nftables {

/// An expression, as violationOf accepts it.
void packExpression(netlink::MessageWriter& writer, const Expression& expression);
/// Reads the payload of a LIST_ELEM; false unless it is whole. One that an Expression cannot say in full reads as
/// `other` with its name.
bool unpackExpression(netlink::Bytes element, Expression& expression);

}  // namespace nftables
