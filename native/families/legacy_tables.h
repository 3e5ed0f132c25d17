// Chains of iptables and ip6tables as they were before nf_tables: x_tables of the kernel, asked by getsockopt(2) as
// iptables-legacy does (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h).
//
//   IPT_SO_GET_ENTRIES:  | ipt_get_entries |  entry  entry  entry …
//   an entry:            | address match … target_offset next_offset … |  matches  | xt_entry_target |
//
// A chain that somebody made begins with an entry whose target is called ERROR and carries the chain's name; a last
// such entry, named ERROR itself, ends the table. The last entry of a chain is no rule but says what comes behind them.
#pragma once

#include <string_view>
#include <vector>

#include "../netlink/bytes.h"
#include "../netlink/outcome.h"
#include "filter_names.h"

namespace legacy {

/// Appends the names of the chains that somebody made; `entries` are those of a table of NFPROTO_IPV4 or NFPROTO_IPV6.
/// False if a length in them leads astray.
bool unpackChains(netlink::Bytes entries, uint8_t family, std::string_view table, std::vector<filter::Name>& names);

/// The tables that the network namespace (as netlink::within takes it) has already, and the chains that somebody made
/// in them; nothing where the kernel has no such tables. Asks for no table that is not there: that would make it. Reads
/// every rule, since the kernel gives them in one piece only.
netlink::Outcome readNames(const std::string& networkNamespace, std::vector<filter::Name>& names);

}  // namespace legacy
