#include "legacy_tables.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "../netlink/descriptor.h"
#include "../netlink/network_namespace.h"

namespace legacy {

using filter::Name;
using netlink::Bytes;
using netlink::Descriptor;
using netlink::Outcome;

namespace {

// A table that is replaced between the two questions has another size (EAGAIN); iptables asks again for ever.
constexpr int tries = 8;
// Some 100 bytes of names, one table each, and a kernel has five.
constexpr size_t mostNameBytes = 4096;
// xt_alloc_table_info takes no more entries (XT_MAX_TABLE_SIZE, 512 MiB).
constexpr size_t mostEntryBytes = size_t{512} << 20;

// What differs between the two families.
struct Family {
  uint8_t number;
  int domain;
  int level;
  int infoOption;
  int entriesOption;
  const char* tables;
  size_t entrySize;
  size_t targetOffset;  // where an entry says it
  size_t nextOffset;
};

constexpr Family families[] = {
    {.number = NFPROTO_IPV4,
     .domain = AF_INET,
     .level = IPPROTO_IP,
     .infoOption = IPT_SO_GET_INFO,
     .entriesOption = IPT_SO_GET_ENTRIES,
     .tables = "/proc/thread-self/net/ip_tables_names",
     .entrySize = sizeof(ipt_entry),
     .targetOffset = offsetof(ipt_entry, target_offset),
     .nextOffset = offsetof(ipt_entry, next_offset)},
    {.number = NFPROTO_IPV6,
     .domain = AF_INET6,
     .level = IPPROTO_IPV6,
     .infoOption = IP6T_SO_GET_INFO,
     .entriesOption = IP6T_SO_GET_ENTRIES,
     .tables = "/proc/thread-self/net/ip6_tables_names",
     .entrySize = sizeof(ip6t_entry),
     .targetOffset = offsetof(ip6t_entry, target_offset),
     .nextOffset = offsetof(ip6t_entry, next_offset)},
};

// ipt_getinfo and ip6t_getinfo, ipt_get_entries and ip6t_get_entries are alike.
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo));
static_assert(offsetof(ipt_getinfo, size) == offsetof(ip6t_getinfo, size));
static_assert(offsetof(ipt_get_entries, size) == offsetof(ip6t_get_entries, size));
constexpr size_t entriesAt = offsetof(ipt_get_entries, entrytable);
static_assert(entriesAt == offsetof(ip6t_get_entries, entrytable));

uint16_t u16(Bytes bytes, size_t at) {
  return netlink::load<uint16_t>(bytes.data() + at);
}

std::string_view textOf(Bytes bytes, size_t at, size_t size) {
  const char* text = reinterpret_cast<const char*>(bytes.data() + at);
  return {text, strnlen(text, size)};
}

// The name that an entry's target carries; empty unless it is of the kind that begins a chain.
std::string_view nameIn(Bytes target) {
  constexpr size_t nameAt = offsetof(xt_error_target, errorname);
  constexpr size_t nameSize = sizeof(xt_error_target::errorname);
  if (target.size() < nameAt + nameSize) return {};
  const std::string_view kind = textOf(target, offsetof(xt_entry_target, u.user.name), XT_EXTENSION_MAXNAMELEN);
  return kind == XT_ERROR_TARGET ? textOf(target, nameAt, nameSize) : std::string_view{};
}

// A file of /proc that is short. A kernel without these tables has no such file.
Outcome readLines(const char* path, std::vector<std::string>& lines) {
  const Descriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return errno == ENOENT ? Outcome{} : netlink::failure(errno, "open", path);
  std::string text(mostNameBytes, '\0');
  size_t used = 0;
  while (used < text.size()) {
    const ssize_t size = ::read(file.get(), text.data() + used, text.size() - used);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return netlink::failure(errno, "read", path);
    if (size == 0) break;
    used += static_cast<size_t>(size);
  }
  for (size_t start = 0; start < used;) {
    const size_t end = std::min(text.find('\n', start), used);
    if (end > start) lines.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  return {};
}

Outcome readEntries(int socket, const Family& family, const std::string& table, std::vector<uint8_t>& answer) {
  for (int attempt = 0; attempt < tries; ++attempt) {
    ipt_getinfo info{};
    table.copy(info.name, sizeof info.name - 1);
    socklen_t length = sizeof info;
    if (::getsockopt(socket, family.level, family.infoOption, &info, &length) != 0) {
      return netlink::failure(errno, "IPT_SO_GET_INFO", table);
    }
    if (info.size > mostEntryBytes) return netlink::failure(EFBIG, "IPT_SO_GET_INFO", table);
    answer.assign(entriesAt + info.size, 0);
    std::memcpy(answer.data(), info.name, sizeof info.name);
    std::memcpy(answer.data() + offsetof(ipt_get_entries, size), &info.size, sizeof info.size);
    length = static_cast<socklen_t>(answer.size());
    if (::getsockopt(socket, family.level, family.entriesOption, answer.data(), &length) == 0) return {};
    if (errno != EAGAIN) return netlink::failure(errno, "IPT_SO_GET_ENTRIES", table);
  }
  return netlink::failure(EAGAIN, "IPT_SO_GET_ENTRIES", table);
}

Outcome readFamily(const Family& family, std::vector<Name>& names) {
  std::vector<std::string> tables;
  Outcome outcome = readLines(family.tables, tables);
  if (!outcome.ok() || tables.empty()) return outcome;
  // Any socket of the family will do; a raw one would take CAP_NET_RAW beside CAP_NET_ADMIN.
  const Descriptor socket(::socket(family.domain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return netlink::failure(errno, "socket");
  for (const std::string& table : tables) {
    names.push_back({.family = family.number, .table = table, .chain = {}, .hasRules = false});
    std::vector<uint8_t> answer;
    outcome = readEntries(socket.get(), family, table, answer);
    if (!outcome.ok()) return outcome;
    if (!unpackChains(Bytes(answer).subspan(entriesAt), family.number, table, names)) {
      return netlink::failure(EBADMSG, "IPT_SO_GET_ENTRIES", table);
    }
  }
  return {};
}

}  // namespace

bool unpackChains(Bytes entries, uint8_t family, std::string_view table, std::vector<Name>& names) {
  const Family& layout = family == NFPROTO_IPV6 ? families[1] : families[0];
  const size_t before = names.size();
  // Entries of the chain that was named last.
  size_t count = 0;
  while (!entries.empty()) {
    if (entries.size() < layout.entrySize) return false;
    const size_t target = u16(entries, layout.targetOffset);
    const size_t next = u16(entries, layout.nextOffset);
    if (target < layout.entrySize || next < target || next > entries.size()) return false;
    const std::string_view name = nameIn(entries.subspan(target, next - target));
    if (!name.empty() && next < entries.size()) {
      names.push_back({.family = family, .table = std::string(table), .chain = std::string(name), .hasRules = false});
      count = 0;
    } else if (name.empty() && ++count > 1 && names.size() > before) {
      names.back().hasRules = true;
    }
    entries = entries.subspan(next);
  }
  return true;
}

Outcome readNames(const std::string& networkNamespace, std::vector<Name>& names) {
  names.clear();
  return netlink::within(networkNamespace, [&] {
    for (const Family& family : families) {
      Outcome outcome = readFamily(family, names);
      if (!outcome.ok()) return outcome;
    }
    return Outcome{};
  });
}

}  // namespace legacy
