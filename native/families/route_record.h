// What JavaScript and the rtnetlink codec hand each other: plain structs in native byte order.
//
//        0        1        2        3        4                 8        9        10
//     0 | verb   | kind   | family | prefix | device index    | scope  |protocol| link change     | flags
//    16 | address, or destination of a route …
//    32 | preferred source of a route, peer of an address …
//    48 | device name, NUL-padded …
//    64 | tos    | 0                                                                              72
#pragma once

#include <cstddef>
#include <cstdint>

#include "violation.h"

namespace route {

/// An edit of a local route gives the one that is there for the same destination another preferred source.
enum class Verb : uint8_t { none = 0, add = 1, edit = 2, remove = 3 };
enum class Kind : uint8_t { link = 1, address = 2, localRoute = 3 };
/// What an edit of a link changes. Two edits and not one: the kernel sets a link up before it looks at how addresses
/// are to be generated (do_setlink, 6.1), and would make the very link-local address that the other change is to
/// prevent.
enum class LinkChange : uint16_t { none = 0, noGeneratedAddress = 1, up = 2 };

/// One operation, or (verb none) one line of a dump.
struct Record {
  Verb verb;
  Kind kind;
  uint8_t family;  // 4 or 6; 0 for a link
  uint8_t prefixLength;
  uint32_t device;        // ifindex
  uint8_t scope;          // RT_SCOPE_*, in dumps
  uint8_t protocol;       // RTPROT_*; 0 in an operation means RTPROT_STATIC
  LinkChange linkChange;  // of an edit
  uint32_t flags;         // in dumps: IFA_F_*, RTM_F_* and RTNH_F_*
  uint8_t address[16];
  uint8_t source[16];  // of an address: its peer, in dumps and to delete it; zero: none
  char name[16];
  uint8_t tos;  // of a route: 0 or that of the only packets it takes
  uint8_t reserved2[7];
};
static_assert(sizeof(Record) == 72);
static_assert(offsetof(Record, device) == 4 && offsetof(Record, flags) == 12 && offsetof(Record, address) == 16);
static_assert(offsetof(Record, source) == 32 && offsetof(Record, name) == 48 &&
              offsetof(Record, tos) == 64);

/// What keeps an operation from being sent.
std::optional<Violation> violationOf(const Record& op);

struct Link {
  uint32_t index;
  char name[16];
  char kind[16];  // IFLA_INFO_KIND ("dummy", "veth", …), empty for hardware and loopback
  bool up;
  bool loopback;
};

/// One notification.
struct Event {
  enum class Kind : uint8_t { link, address, overrun };
  Kind kind;
  bool added;      // or changed; otherwise removed
  Link link;       // of Kind::link
  Record address;  // of Kind::address
};

}  // namespace route
