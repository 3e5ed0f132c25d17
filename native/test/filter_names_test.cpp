// Names of packet filters: recordings of a real kernel, what is asked, and what no kernel sends.

#include "../families/filter_names.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include <cstddef>

#include "../families/legacy_tables.h"
#include "check.h"
#include "recording.h"
#include "scripted_kernel.h"

using check::test;
using filter::Name;
using netlink::Message;
using scripted::Datagram;
using scripted::Request;

namespace {

bool has(const std::vector<Name>& names, uint8_t family, std::string_view table, std::string_view chain) {
  for (const Name& name : names) {
    if (name.family == family && name.table == table && name.chain == chain) return true;
  }
  return false;
}

// A recording of entries, behind the byte that tells their family.
std::vector<uint8_t> recorded(const char* name) {
  const auto parts = recording::datagrams(name);
  CHECK(parts.size() == 1 && parts[0].size() > 1);
  return parts[0];
}

bool hasRules(const std::vector<Name>& names, std::string_view chain) {
  for (const Name& name : names) {
    if (name.chain == chain) return name.hasRules;
  }
  return false;
}

std::vector<Datagram> dumpOf(const std::vector<Request>& requests, std::vector<const char*> payloads) {
  const Request& request = requests[0];
  std::vector<Datagram> replies;
  for (const char* payload : payloads) {
    replies.push_back(scripted::message(request.type == 0x0607 ? 0x0607 : request.type - 1, NLM_F_MULTI,
                                        request.sequence, check::hex(payload)));
  }
  replies.push_back(scripted::done(request.sequence));
  return replies;
}

}  // namespace

int main() {
  test("recorded tables and chains of nf_tables give their names, and rules what has any", [] {
    std::vector<Name> names;
    recording::eachMessage("filter_name/tables",
                           [&](const Message& message) { CHECK(filter::unpackTable(message, names)); });
    recording::eachMessage("filter_name/chains",
                           [&](const Message& message) { CHECK(filter::unpackChain(message, names)); });
    CHECK(has(names, NFPROTO_IPV4, "kube-ipvs", "") && has(names, NFPROTO_IPV6, "kube-ipvs", ""));
    CHECK(has(names, NFPROTO_IPV4, "kube-ipvs", "a-name-that-is-longer-than-thirty-one-characters"));
    size_t at = names.size();
    recording::eachMessage("filter_name/rules",
                           [&](const Message& message) { CHECK(filter::unpackRule(message, names, at)); });
    CHECK(hasRules(names, "before"));
    CHECK(!hasRules(names, "a-name-that-is-longer-than-thirty-one-characters"));
  });

  test("recorded ipsets give their names", [] {
    std::vector<std::string> names;
    recording::eachMessage("filter_name/sets",
                           [&](const Message& message) { CHECK(filter::unpackSet(message, names)); });
    CHECK((names == std::vector<std::string>{"KUBE-CLUSTER-IP", "KUBE-6-CLUSTER-IP"}));
  });

  test("tables, chains and rules of all families are asked for, one after the other", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      switch (requests[0].type) {
        case 0x0a01:
          return dumpOf(requests, {"02000000 0800 0100 6e617400 | ip nat"});
        case 0x0a04:
          return dumpOf(requests, {"0a000000 0800 0100 6e617400 0600 0300 4b00 0000 | ip6 nat K",
                                   "0a000000 0800 0100 6e617400 0600 0300 4c00 0000 | ip6 nat L"});
        default:
          return dumpOf(requests, {"0a000000 0800 0100 6e617400 0600 0200 4c00 0000 | of ip6 nat L",
                                   "02000000 0800 0100 6e617400 0600 0200 4b00 0000 | of ip nat K, made since"});
      }
    });
    netlink::Socket socket = kernel.connect();
    std::vector<Name> names = {{.family = 1, .table = "before", .chain = {}, .hasRules = false}};
    CHECK(filter::nftablesNames(socket, names).ok() && names.size() == 3);
    CHECK(has(names, NFPROTO_IPV4, "nat", "") && has(names, NFPROTO_IPV6, "nat", "K"));
    CHECK(!hasRules(names, "K") && hasRules(names, "L"));
    CHECK(check::same(kernel.heard()[0][0].payload, check::hex("00000000")));
    CHECK(kernel.heard()[1][0].type == 0x0a04 && kernel.heard()[2][0].type == 0x0a07);
  });

  test("ipsets are asked for by name only", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return dumpOf(requests, {"02000000 0500 0100 06000000 0600 0200 4b00 0000 | K"});
    });
    netlink::Socket socket = kernel.connect();
    std::vector<std::string> names = {"before"};
    CHECK(filter::setNames(socket, names).ok() && (names == std::vector<std::string>{"K"}));
    const auto payload = check::hex("00000000 0500 0100 06000000 0800 0600 00000002 | PROTOCOL 6, FLAG_LIST_SETNAME");
    CHECK(check::same(kernel.heard()[0][0].payload, payload));
  });

  test("a message without a name is no answer, and a refusal keeps its errno", [] {
    for (const char* payload : {"0200", "02000000", "02000000 0500 0100 00000000"}) {
      scripted::Kernel kernel([&](const std::vector<Request>& requests) { return dumpOf(requests, {payload}); });
      netlink::Socket socket = kernel.connect();
      std::vector<Name> names;
      CHECK(filter::nftablesNames(socket, names).error == EBADMSG);
      std::vector<std::string> sets;
      CHECK(filter::setNames(socket, sets).error == EBADMSG);
    }
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return EPERM; }));
    netlink::Socket socket = kernel.connect();
    std::vector<Name> names;
    CHECK(filter::nftablesNames(socket, names).error == EPERM);
  });

  test("recorded tables of legacy iptables give the chains that somebody made, not those of the kernel", [] {
    std::vector<Name> names;
    const auto nat = recorded("legacy_table/nat-v4");
    CHECK(legacy::unpackChains(netlink::Bytes(nat).subspan(1), NFPROTO_IPV4, "nat", names));
    CHECK(names.size() == 1 && has(names, NFPROTO_IPV4, "nat", "KUBE-SERVICES") && names[0].hasRules);
    names.clear();
    const auto filter = recorded("legacy_table/filter-v6");
    CHECK(legacy::unpackChains(netlink::Bytes(filter).subspan(1), NFPROTO_IPV6, "filter", names));
    CHECK(names.size() == 1 && has(names, NFPROTO_IPV6, "filter", "KUBE-FORWARD"));
  });

  test("a chain of legacy iptables without rules is told from one with rules", [] {
    auto nat = recorded("legacy_table/nat-v4");
    nat.erase(nat.begin());
    std::vector<size_t> starts;
    for (size_t at = 0; at < nat.size(); at += netlink::load<uint16_t>(&nat[at + offsetof(ipt_entry, next_offset)])) {
      starts.push_back(at);
    }
    // The last ones are: the name of the chain, its rule, its end, the end of the table.
    const auto at = [&](size_t back) { return nat.begin() + static_cast<ptrdiff_t>(starts[starts.size() - back]); };
    nat.erase(at(3), at(2));
    std::vector<Name> names = {{.family = NFPROTO_IPV4, .table = "nat", .chain = "BEFORE", .hasRules = false}};
    CHECK(legacy::unpackChains(nat, NFPROTO_IPV4, "nat", names) && names.size() == 2);
    CHECK(!hasRules(names, "BEFORE") && !hasRules(names, "KUBE-SERVICES"));
  });

  test("entries of the other family, or cut anywhere between two, lead nowhere", [] {
    std::vector<Name> names;
    const auto nat = recorded("legacy_table/nat-v4");
    const netlink::Bytes entries = netlink::Bytes(nat).subspan(1);
    CHECK(!legacy::unpackChains(entries, NFPROTO_IPV6, "nat", names));
    CHECK(!legacy::unpackChains(entries.first(entries.size() - 1), NFPROTO_IPV4, "nat", names));
    CHECK(!legacy::unpackChains(entries.first(1), NFPROTO_IPV4, "nat", names));
    CHECK(legacy::unpackChains({}, NFPROTO_IPV4, "nat", names));
  });

  test("a network namespace that is not there is said so", [] {
    std::vector<Name> names = {{.family = 1, .table = "before", .chain = {}, .hasRules = false}};
    CHECK(legacy::readNames("no-such-namespace", names).error == ENOENT && names.empty());
  });

  return check::finish();
}
