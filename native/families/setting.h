// Kernel settings: the files of /proc/sys/net, as a network namespace has them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../netlink/outcome.h"

namespace setting {

struct Reading {
  /// Without the newline at its end; empty if there is an error.
  std::string value;
  /// Whether the file's mode lets its owner write: nf_conntrack_max, say, is read-only but in the initial namespace.
  bool writable = false;
  /// Why it could not be read, an errno; 0 if it could.
  int error = 0;
};

/// Whether a setting may be called that: a path below /proc/sys that stays below /proc/sys/net, or the one module
/// parameter we need, `module/nf_conntrack/parameters/hashsize`, which lies in /sys.
bool isName(std::string_view name);

/// Reads settings, each for itself; fails as a whole only if the namespace cannot be entered (netlink::within).
netlink::Outcome read(std::span<const std::string> names, const std::string& networkNamespace,
                      std::vector<Reading>& readings);
/// Writes a setting in one write(2); fails with what the kernel says of it.
netlink::Outcome write(const std::string& name, std::string_view value, const std::string& networkNamespace);

}  // namespace setting
