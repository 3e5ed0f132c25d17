#include "setting.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "../netlink/descriptor.h"
#include "../netlink/network_namespace.h"

namespace setting {

using netlink::Descriptor;
using netlink::Outcome;

namespace {

constexpr std::string_view hashSize = "module/nf_conntrack/parameters/hashsize";
// The longest settings are lists of ports (ip_local_reserved_ports); sysctl(8) knows none longer.
constexpr size_t mostBytes = 64 * 1024;

std::string pathOf(const std::string& name) {
  return (name == hashSize ? "/sys/" : "/proc/sys/") + name;
}

bool isNameCharacter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
         (character >= '0' && character <= '9') || std::string_view("_./-").find(character) != std::string_view::npos;
}

// 0 or an errno.
int readAll(int fd, std::string& value) {
  value.resize(mostBytes);
  size_t used = 0;
  while (used < value.size()) {
    const ssize_t size = ::read(fd, value.data() + used, value.size() - used);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno;
    if (size == 0) break;
    used += static_cast<size_t>(size);
  }
  if (used == value.size()) return EFBIG;
  value.resize(used);
  if (value.ends_with('\n')) value.pop_back();
  return 0;
}

Reading readingOf(const std::string& path) {
  Reading reading;
  struct stat status {};
  // Before it is opened: a file that can only be written, as net/ipv4/route/flush, is writable all the same.
  if (::stat(path.c_str(), &status) == 0) reading.writable = (status.st_mode & S_IWUSR) != 0;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  reading.error = file ? readAll(file.get(), reading.value) : errno;
  if (reading.error != 0) reading.value.clear();
  return reading;
}

Outcome writeFile(const std::string& path, std::string_view value) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return netlink::failure(errno, "open", path);
  for (;;) {
    const ssize_t size = ::write(file.get(), value.data(), value.size());
    if (size == static_cast<ssize_t>(value.size())) return {};
    if (size >= 0) return netlink::failure(EIO, "write", path);
    if (errno != EINTR) return netlink::failure(errno, "write", path);
  }
}

}  // namespace

bool isName(std::string_view name) {
  if (name == hashSize) return true;
  if (!name.starts_with("net/") || !std::ranges::all_of(name, isNameCharacter)) return false;
  for (size_t start = 0; start <= name.size();) {
    const size_t end = std::min(name.find('/', start), name.size());
    const std::string_view component = name.substr(start, end - start);
    if (component.empty() || component == "." || component == "..") return false;
    start = end + 1;
  }
  return true;
}

Outcome read(std::span<const std::string> names, const std::string& networkNamespace, std::vector<Reading>& readings) {
  readings.clear();
  return netlink::within(networkNamespace, [&] {
    for (const std::string& name : names) readings.push_back(readingOf(pathOf(name)));
    return Outcome{};
  });
}

Outcome write(const std::string& name, std::string_view value, const std::string& networkNamespace) {
  return netlink::within(networkNamespace, [&] { return writeFile(pathOf(name), value); });
}

}  // namespace setting
