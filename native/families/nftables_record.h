// What JavaScript and the nf_tables codec hand each other: plain structs in native byte order. All of them are in the
// one table that the client was made for.
//
// An object is 128 bytes, of which the first three say what the others are:
//
//        0        1        2        3        4                 8                12
//     0 | verb   | kind   | family | 0      | flags                                                     table
//     0 | verb   | kind   | family | 0      | type   | hook   | policy | 0      | priority …             chain
//     0 | verb   | kind   | family | 0      | flags                    | key type | key length |         set
//    16 |                                     data type | data length | field lengths …
//     0 | verb   | kind   | family | 0      | expressions              | handle …                          rule
//    32 | name of a chain or set, chain of a rule, NUL-padded …
//    64 | comment of a rule, NUL-padded …; size of a set
//     0 | verb   | kind   | family | 0      | expr.  | source | target | oper.  | 3 sources | key |       expression
//    16 | offset          | length          | flags           | 0
//    32 | name, NUL-padded …
//    64 | data …
//    80 | mask …                                                                                        128
//
// An element of a set is 136:
//
//     0 | verb   | family | key length | end length | data length | 0 …
//     8 | set, NUL-padded …
//    32 | key …
//    72 | end of the key's range …
//   112 | data of a map …                                                                               136
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "violation.h"

namespace nftables {

/// An edit is of a chain and deletes its rules.
enum class Verb : uint8_t { none = 0, add = 1, edit = 2, remove = 3 };
enum class Kind : uint8_t { table = 1, chain = 2, set = 3, rule = 4, expression = 5 };

/// One operation, or (verb none) one line of a dump. std::bit_cast makes it what its kind says.
struct alignas(8) Object {
  Verb verb;
  Kind kind;
  uint8_t family;  // 4 or 6
  uint8_t reserved;
  uint8_t rest[124];
};
static_assert(sizeof(Object) == 128);

struct alignas(8) Table {
  Verb verb;
  Kind kind;
  uint8_t family;
  uint8_t reserved;
  uint32_t flags;  // NFT_TABLE_F_*, in dumps
  uint8_t reserved2[120];
};
static_assert(sizeof(Table) == sizeof(Object));
static_assert(offsetof(Table, flags) == 4);

enum class ChainType : uint8_t { regular = 0, filter = 1, nat = 2, other = 255 };

struct alignas(8) Chain {
  Verb verb;
  Kind kind;
  uint8_t family;
  uint8_t reserved;
  ChainType type;
  uint8_t hook;    // NF_INET_*
  uint8_t policy;  // NF_DROP or NF_ACCEPT
  uint8_t reserved2;
  int32_t priority;
  uint8_t reserved3[20];
  char name[32];
  uint8_t reserved4[64];
};
static_assert(sizeof(Chain) == sizeof(Object));
static_assert(offsetof(Chain, type) == 4 && offsetof(Chain, priority) == 8 && offsetof(Chain, name) == 32);

struct alignas(8) Set {
  Verb verb;
  Kind kind;
  uint8_t family;
  uint8_t reserved;
  uint32_t flags;    // NFT_SET_*
  uint32_t keyType;  // nft's number of it, six bits for each part of a concatenation, the first highest
  uint32_t keyLength;
  uint32_t dataType;  // of a map
  uint32_t dataLength;
  uint8_t fieldLengths[8];  // of a concatenation of intervals, closed by 0
  char name[32];
  uint32_t size;  // how many elements it takes; 0: any number
  uint8_t reserved2[60];
};
static_assert(sizeof(Set) == sizeof(Object));
static_assert(offsetof(Set, flags) == 4 && offsetof(Set, dataLength) == 20 && offsetof(Set, fieldLengths) == 24);
static_assert(offsetof(Set, name) == 32 && offsetof(Set, size) == 64);

struct alignas(8) Rule {
  Verb verb;
  Kind kind;
  uint8_t family;
  uint8_t reserved;
  uint32_t expressions;  // how many records behind this one are its own
  uint64_t handle;       // in dumps
  uint8_t reserved2[16];
  char chain[32];
  char comment[64];
};
static_assert(sizeof(Rule) == sizeof(Object));
static_assert(offsetof(Rule, expressions) == 4 && offsetof(Rule, handle) == 8);
static_assert(offsetof(Rule, chain) == 32 && offsetof(Rule, comment) == 64);

/// NFT_RULE_MAXEXPRS of the kernel's nf_tables.h.
inline constexpr uint32_t mostExpressions = 128;

enum class ExpressionKind : uint8_t {
  meta = 1,
  payload = 2,
  cmp = 3,
  bitwise = 4,
  lookup = 5,
  verdict = 6,
  ct = 7,
  masquerade = 8,
  nat = 9,
  reject = 10,
  immediate = 11,
  other = 255,  // one that these fields cannot say, in dumps; `name` says which
};

/// A step of a rule. Registers are numbered as the kernel dumps them: 1 to 4 where they are aligned to 16 bytes,
/// NFT_REG32_00 and on where they are not; 0 is none.
struct alignas(8) Expression {
  Verb verb;
  Kind kind;
  uint8_t family;
  uint8_t reserved;
  ExpressionKind expression;
  uint8_t source;     // nat: lowest address
  uint8_t target;     // meta: loads into it, or stores from `source`
  uint8_t operation;  // payload: base; cmp: NFT_CMP_*; ct: direction, or 255 for none; nat: NFT_NAT_*; reject: type
  uint8_t source2;    // nat: highest address, where it is another
  uint8_t source3;    // nat: lowest port
  uint8_t source4;    // nat: highest port, where it is another
  uint8_t reserved2;
  uint32_t key;  // meta, ct: what; nat: its family (NFPROTO_*); reject: ICMP code; verdict: an int32_t
  uint32_t offset;
  uint32_t length;
  uint32_t flags;  // lookup: NFT_LOOKUP_F_*; masquerade, nat: NF_NAT_RANGE_*
  uint32_t reserved3;
  char name[32];     // lookup: set; verdict: chain of a jump or goto
  uint8_t data[16];  // cmp, immediate: value; bitwise: mask
  uint8_t mask[16];  // bitwise: exclusive or
  uint8_t reserved4[32];
};
static_assert(sizeof(Expression) == sizeof(Object));
static_assert(offsetof(Expression, expression) == 4 && offsetof(Expression, source4) == 10);
static_assert(offsetof(Expression, key) == 12 && offsetof(Expression, flags) == 24);
static_assert(offsetof(Expression, name) == 32 && offsetof(Expression, data) == 64 && offsetof(Expression, mask) == 80);

/// An element to add or delete, or (verb none) one of a dump. A dumped key or datum that is longer than its field is
/// cut; its length is not. The catch-all of a set (nft's `*`) has no key; it can be deleted, not added.
struct Element {
  Verb verb;
  uint8_t family;
  uint8_t keyLength;   // 0: the catch-all
  uint8_t endLength;   // 0: the key is no range
  uint8_t dataLength;  // 0: the set is no map
  uint8_t reserved[3];
  char set[24];
  uint8_t key[40];
  uint8_t end[40];
  uint8_t data[24];
};
static_assert(sizeof(Element) == 136);
static_assert(offsetof(Element, set) == 8 && offsetof(Element, key) == 32);
static_assert(offsetof(Element, end) == 72 && offsetof(Element, data) == 112);

/// What keeps objects[index] from being sent, if those before it can be. Costs a look at each expression of its rule.
std::optional<Violation> violationOf(std::span<const Object> objects, size_t index);
std::optional<Violation> violationOf(const Element& element);

}  // namespace nftables
