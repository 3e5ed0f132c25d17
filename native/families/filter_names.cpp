#include "filter_names.h"

#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "../netlink/attribute.h"
#include "../netlink/dump.h"
#include "nftables_message.h"

namespace filter {

using netlink::AttributeReader;
using netlink::Bytes;
using netlink::Message;
using netlink::MessageWriter;
using netlink::mostDumped;
using netlink::Outcome;
using netlink::Socket;

namespace {

constexpr uint16_t setType(uint8_t command) {
  return static_cast<uint16_t>(NFNL_SUBSYS_IPSET << 8 | command);
}

void packHeader(MessageWriter& writer, uint8_t family) {
  writer.header(nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0});
}

// One kind of object of all families.
struct Query {
  const char* name;
  uint8_t request;
  uint8_t answer;
  bool (*unpack)(const Message& message, std::vector<Name>& names);
};

Outcome dump(Socket& socket, const Query& query, std::vector<Name>& names) {
  const size_t before = names.size();
  return netlink::dump(socket, {
                                   .name = query.name,
                                   .type = nftables::typeOf(query.request),
                                   .pack = [](MessageWriter& writer) { packHeader(writer, NFPROTO_UNSPEC); },
                                   .restart = [&] { names.resize(before); },
                                   .unpack =
                                       [&](const Message& reply) {
                                         if (reply.type != nftables::typeOf(query.answer)) return true;
                                         return names.size() <= mostDumped && query.unpack(reply, names);
                                       },
                               });
}

// Dumps the rules of all chains.
Outcome noteRules(Socket& socket, std::vector<Name>& names) {
  size_t at = 0;
  return netlink::dump(socket, {
                                   .name = "NFT_MSG_GETRULE",
                                   .type = nftables::typeOf(NFT_MSG_GETRULE),
                                   .pack = [](MessageWriter& writer) { packHeader(writer, NFPROTO_UNSPEC); },
                                   .restart =
                                       [&] {
                                         for (Name& name : names) name.hasRules = false;
                                       },
                                   .unpack =
                                       [&](const Message& reply) {
                                         return reply.type != nftables::typeOf(NFT_MSG_NEWRULE) ||
                                                unpackRule(reply, names, at);
                                       },
                               });
}

}  // namespace

bool unpackTable(const Message& message, std::vector<Name>& names) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  Name found{.family = header.nfgen_family, .table = {}, .chain = {}, .hasRules = false};
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_TABLE_NAME) found.table = reader.string();
  }
  if (!reader.wellFormed() || found.table.empty()) return false;
  names.push_back(std::move(found));
  return true;
}

bool unpackChain(const Message& message, std::vector<Name>& names) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  Name found{.family = header.nfgen_family, .table = {}, .chain = {}, .hasRules = false};
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_CHAIN_TABLE) found.table = reader.string();
    if (reader.type() == NFTA_CHAIN_NAME) found.chain = reader.string();
  }
  if (!reader.wellFormed() || found.table.empty() || found.chain.empty()) return false;
  names.push_back(std::move(found));
  return true;
}

bool unpackRule(const Message& message, std::vector<Name>& names, size_t& at) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  std::string_view table;
  std::string_view chain;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == NFTA_RULE_TABLE) table = reader.string();
    if (reader.type() == NFTA_RULE_CHAIN) chain = reader.string();
  }
  if (!reader.wellFormed() || table.empty() || chain.empty()) return false;
  // The kernel dumps rules chain by chain, and chains in the same order.
  for (size_t tried = 0; tried < names.size(); ++tried, ++at) {
    if (at >= names.size()) at = 0;
    Name& name = names[at];
    if (name.family != header.nfgen_family || name.chain != chain || name.table != table) continue;
    name.hasRules = true;
    break;
  }
  return true;
}

bool unpackSet(const Message& message, std::vector<std::string>& names) {
  nfgenmsg header;
  Bytes attributes;
  if (!message.split(header, attributes)) return false;
  std::string found;
  AttributeReader reader(attributes);
  while (reader.next()) {
    if (reader.type() == IPSET_ATTR_SETNAME) found = reader.string();
  }
  if (!reader.wellFormed() || found.empty()) return false;
  names.push_back(std::move(found));
  return true;
}

Outcome nftablesNames(Socket& socket, std::vector<Name>& names) {
  names.clear();
  const Outcome tables =
      dump(socket,
           {.name = "NFT_MSG_GETTABLE", .request = NFT_MSG_GETTABLE, .answer = NFT_MSG_NEWTABLE, .unpack = unpackTable},
           names);
  if (!tables.ok()) return tables;
  const Outcome chains = dump(
      socket,
      {.name = "NFT_MSG_GETCHAIN", .request = NFT_MSG_GETCHAIN, .answer = NFT_MSG_NEWCHAIN, .unpack = unpackChain},
      names);
  return chains.ok() ? noteRules(socket, names) : chains;
}

Outcome setNames(Socket& socket, std::vector<std::string>& names) {
  return netlink::dump(socket, {
                                   .name = "IPSET_CMD_LIST",
                                   .type = setType(IPSET_CMD_LIST),
                                   .pack =
                                       [](MessageWriter& writer) {
                                         packHeader(writer, NFPROTO_UNSPEC);
                                         writer.u8(IPSET_ATTR_PROTOCOL, IPSET_PROTOCOL_MIN);
                                         writer.u32be(IPSET_ATTR_FLAGS, IPSET_FLAG_LIST_SETNAME);
                                       },
                                   .restart = [&] { names.clear(); },
                                   .unpack =
                                       [&](const Message& reply) {
                                         if (reply.type != setType(IPSET_CMD_LIST)) return true;
                                         return names.size() <= mostDumped && unpackSet(reply, names);
                                       },
                               });
}

}  // namespace filter
