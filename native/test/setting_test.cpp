#include "../families/setting.h"

#include <errno.h>

#include "check.h"

using check::test;
using setting::Reading;

namespace {

// A setting every namespace has, which anyone may read.
const std::string forwarding = "net/ipv4/ip_forward";

}  // namespace

int main() {
  test("names are paths below net, and the size of the conntrack table", [] {
    for (const char* name : {"net/ipv4/vs/conntrack", "net/ipv4/conf/eth0.100/rp_filter", "net/core/a-b_c",
                             "net/ipv6/conf/..a/x", "net/ipv6/conf/a../x", "module/nf_conntrack/parameters/hashsize"}) {
      CHECK(setting::isName(name));
    }
  });

  test("names that could lead elsewhere are none", [] {
    for (const char* name :
         {"", "net", "net/", "/net/ipv4", "net//ipv4", "net/ipv4/", "net/../kernel/modprobe", "net/./ipv4",
          "net/ipv4/..", "net/ipv4/.", "kernel/modprobe", "nets/ipv4", "net.ipv4.ip_forward", "net/ipv4/ip forward",
          "net/ipv4/\xc3\xa9", "net/ipv4/a\n", "module/nf_conntrack/parameters/acct",
          "module/nf_conntrack/parameters/hashsize/", "module/nf_conntrack/parameters/../hashsize"}) {
      CHECK(!setting::isName(name));
    }
    CHECK(!setting::isName(std::string_view("net/a\0b", 7)));
  });

  test("settings are read each for itself, without their newline", [] {
    const std::vector<std::string> names = {forwarding, "net/no/such", "net/ipv4"};
    std::vector<Reading> readings;
    CHECK(setting::read(names, "", readings).ok() && readings.size() == 3);
    CHECK(readings[0].error == 0 && (readings[0].value == "0" || readings[0].value == "1") && readings[0].writable);
    CHECK(readings[1].error == ENOENT && readings[1].value.empty() && !readings[1].writable);
    CHECK(readings[2].error == EISDIR && readings[2].value.empty());
  });

  test("a setting that is not there cannot be written", [] {
    const netlink::Outcome outcome = setting::write("net/no/such", "1", "");
    CHECK(outcome.error == ENOENT && std::string_view(outcome.call) == "open");
    CHECK(outcome.text == "/proc/sys/net/no/such");
  });

  test("a namespace that is not there fails the call as a whole", [] {
    std::vector<Reading> readings;
    CHECK(setting::read({&forwarding, 1}, "no-such-namespace", readings).error == ENOENT && readings.empty());
    CHECK(setting::write(forwarding, "1", "/proc/self/status").error == EINVAL);
  });

  return check::finish();
}
