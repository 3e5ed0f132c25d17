// What packet filters of any making are called: tables and chains of nf_tables, chains of the older iptables, ipsets.
// Names only, whosever they are: a proxy that was here before is known by them.
//
//   | nfgenmsg |  NFTA_TABLE_NAME                       a table of nf_tables
//   | nfgenmsg |  NFTA_CHAIN_TABLE  NFTA_CHAIN_NAME     a chain of nf_tables
//   | nfgenmsg |  NFTA_RULE_TABLE  NFTA_RULE_CHAIN      a rule of one
//   | nfgenmsg |  IPSET_ATTR_SETNAME                    an ipset
#pragma once

#include <string>
#include <vector>

#include "../netlink/message.h"
#include "../netlink/socket.h"

namespace filter {

/// A table, or a chain of it. `family` is an NFPROTO_ of linux/netfilter.h.
struct Name {
  uint8_t family = 0;
  std::string table;
  /// Empty for the table itself.
  std::string chain;
  /// Of a chain.
  bool hasRules = false;
};

/// Read NFT_MSG_NEWTABLE, NFT_MSG_NEWCHAIN and IPSET_CMD_LIST; false unless it is whole and says a name.
bool unpackTable(const netlink::Message& message, std::vector<Name>& names);
bool unpackChain(const netlink::Message& message, std::vector<Name>& names);
/// Reads NFT_MSG_NEWRULE and notes it with its chain, of which `at` is guessed to be the place among `names`, and becomes
/// it; one of a chain that is not there is left out. Costs O(names) where the guess is wrong.
bool unpackRule(const netlink::Message& message, std::vector<Name>& names, size_t& at);
bool unpackSet(const netlink::Message& message, std::vector<std::string>& names);

/// Tables and chains of nf_tables, of all families; reads every rule. Has the kernel load nf_tables where it is a module.
netlink::Outcome nftablesNames(netlink::Socket& socket, std::vector<Name>& names);
/// ipsets. Has the kernel load ip_set where it is a module.
netlink::Outcome setNames(netlink::Socket& socket, std::vector<std::string>& names);

}  // namespace filter
