// What JavaScript and the IPVS codec hand each other: plain structs in native byte order.
//
//        0        1        2        3        4                 6                 8
//     0 | verb   | kind   | family |protocol| port            | destination port| flags
//    12 | timeout, s                        | virtual address …
//    32 | destination address …
//    48 | weight                            | forw.  |d.family| 0               | netmask
//    60 | upper threshold                   | scheduler, NUL-padded …
//    80 | active connections                | inactive connections              | persistent connections
//    92 | fwmark                            | persistence engine, NUL-padded …                             112
//
//        0        1        2                 4                                   8
//     0 | family |protocol| port            | fwmark                            | virtual address …
//    24 | connections                                                           | incoming packets
//    40 | outgoing packets                                                      | incoming bytes
//    56 | outgoing bytes                                                         64
#pragma once

#include <cstddef>
#include <cstdint>

#include "violation.h"

namespace ipvs {

enum class Verb : uint8_t { none = 0, add = 1, edit = 2, remove = 3 };
enum class Kind : uint8_t { service = 1, destination = 2 };

/// One operation on a virtual service or on a destination of one.
struct Op {
  Verb verb;
  Kind kind;
  uint8_t family;    // of the virtual service, 4 or 6
  uint8_t protocol;  // IPPROTO_TCP, _UDP or _SCTP
  uint16_t port;     // host order
  uint16_t destinationPort;
  uint32_t flags;    // IP_VS_SVC_F_*, all of them are set
  uint32_t timeout;  // of persistence, seconds
  uint8_t address[16];
  uint8_t destinationAddress[16];
  uint32_t weight;
  uint8_t forwarding;         // IP_VS_CONN_F_* method
  uint8_t destinationFamily;  // 0: the service's
  uint16_t reserved;
  uint32_t netmask;  // v4: mask, its bytes in network order; v6: prefix length
  uint32_t upperThreshold;
  char scheduler[16];
};
static_assert(sizeof(Op) == 80);
static_assert(offsetof(Op, port) == 4 && offsetof(Op, flags) == 8 && offsetof(Op, address) == 16);
static_assert(offsetof(Op, weight) == 48 && offsetof(Op, netmask) == 56 && offsetof(Op, scheduler) == 64);

/// One line of a dump: a virtual service, or a destination with its service's identity.
struct Entry {
  Op op;
  uint32_t active;  // connections, of a destination
  uint32_t inactive;
  uint32_t persistent;
  uint32_t fwmark;  // identity of a service that has no address; 0 otherwise
  char persistenceEngine[16];
};
static_assert(sizeof(Entry) == 112);
static_assert(offsetof(Entry, fwmark) == 92 && offsetof(Entry, persistenceEngine) == 96);

/// What went through a virtual service since it was added.
struct Traffic {
  uint8_t family;  // 4 or 6
  uint8_t protocol;
  uint16_t port;    // host order
  uint32_t fwmark;  // as in Entry
  uint8_t address[16];
  uint64_t connections;
  uint64_t incomingPackets;
  uint64_t outgoingPackets;
  uint64_t incomingBytes;
  uint64_t outgoingBytes;
};
static_assert(sizeof(Traffic) == 64);
static_assert(offsetof(Traffic, address) == 8 && offsetof(Traffic, connections) == 24);

struct Info {
  uint32_t version;  // 0x010201 is 1.2.1
  uint32_t connectionTableSize;
};

/// Seconds; when set, 0 keeps the current one.
struct Timeouts {
  uint32_t tcp;
  uint32_t tcpFin;
  uint32_t udp;
};

/// What keeps an operation from being sent. Ranges that the kernel judges itself (weights, thresholds, netmask:
/// ERANGE and EINVAL) are left to it; the reconciler's scheduler probe relies on a refused v6 netmask of 0.
std::optional<Violation> violationOf(const Op& op);
/// The same for the identity of a service alone: family, protocol, kind.
std::optional<Violation> identityViolationOf(const Op& service);

}  // namespace ipvs
