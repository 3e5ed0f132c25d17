// nf_tables messages (linux/netfilter/nfnetlink.h, nf_tables.h). Numbers are big-endian. Each pack has its unpack
// beside it.
//
//   | nfgenmsg |  TABLE_NAME                                                     a table
//   | nfgenmsg |  TABLE  NAME  HOOK{ HOOKNUM  PRIORITY }  POLICY  TYPE           a chain
//   | nfgenmsg |  TABLE  NAME  FLAGS  KEY_TYPE  KEY_LEN  DATA_…  DESC{ CONCAT }  a set
//   | nfgenmsg |  TABLE  CHAIN  HANDLE  EXPRESSIONS{ LIST_ELEM … }  USERDATA     a rule
#pragma once

#include <string_view>
#include <vector>

#include "../netlink/message.h"
#include "nftables_message.h"
#include "nftables_record.h"

namespace nftables {

Command commandOf(const Object& op);

/// NFNL_MSG_BATCH_BEGIN or _END.
void packBatchMark(netlink::MessageWriter& writer);

/// How much room an operation on an object and its expressions takes at most.
size_t roomOf(const Object& op);
/// The operation ops[0], as violationOf accepts it, and if it adds a rule the expressions behind it. `id` is a number
/// that no other set of the transaction has.
void packObject(netlink::MessageWriter& writer, std::string_view table, std::span<const Object> ops, uint32_t id);

/// Which generation of the rule set there is.
void packGenerationQuery(netlink::MessageWriter& writer);
/// Reads NFT_MSG_NEWGEN; false unless it is whole.
bool unpackGeneration(const netlink::Message& message, uint32_t& generation);

/// A query for all of one kind that the table of this name has. For chains it is not more than a family's.
void packQuery(netlink::MessageWriter& writer, Kind kind, uint8_t family, std::string_view table);
/// Read NFT_MSG_NEWTABLE, _NEWCHAIN, _NEWSET and _NEWRULE; false unless it is whole. What is of another table gives
/// nothing, nor does the chain of a rule that somebody wrote with braces (`jump { drop; }`): it goes with the rule, and
/// the kernel takes no other order about it (EOPNOTSUPP; nf_tables_delrule, 6.1). Names that are too long are cut.
bool unpackTable(const netlink::Message& message, std::string_view table, std::vector<Object>& objects);
bool unpackChain(const netlink::Message& message, std::string_view table, std::vector<Object>& objects);
bool unpackSet(const netlink::Message& message, std::string_view table, std::vector<Object>& objects);
bool unpackRule(const netlink::Message& message, std::string_view table, std::vector<Object>& objects);

}  // namespace nftables
