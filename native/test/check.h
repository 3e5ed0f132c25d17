// A test is a sentence and what shows it true. A program ends with its count: `N passed, M failed`.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "../netlink/bytes.h"

namespace check {

struct Count {
  int passed = 0;
  int failed = 0;
  bool holds = true;  // so far, of the test under way
};
inline Count count;

template <class Body>
void test(const char* sentence, Body&& body) {
  count.holds = true;
  body();
  ++(count.holds ? count.passed : count.failed);
  if (!count.holds) std::printf("FAILED: %s\n", sentence);
}

inline void that(bool holds, const char* expression, const char* file, int line) {
  if (holds) return;
  count.holds = false;
  std::printf("  %s:%d: %s\n", file, line, expression);
}

inline int finish() {
  std::printf("%d passed, %d failed\n", count.passed, count.failed);
  return count.failed == 0 && count.passed > 0 ? 0 : 1;
}

/// Bytes from hexadecimal digits; blanks and what follows a `|` on its line are for the reader.
inline std::vector<uint8_t> hex(const char* text) {
  std::vector<uint8_t> bytes;
  int high = -1;
  for (bool remark = false; *text != '\0'; ++text) {
    if (*text == '|') remark = true;
    if (*text == '\n') remark = false;
    const char digit = *text;
    const int value = digit >= '0' && digit <= '9' ? digit - '0' : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
    if (remark || value < 0) continue;
    if (high < 0) {
      high = value;
    } else {
      bytes.push_back(static_cast<uint8_t>(high << 4 | value));
      high = -1;
    }
  }
  return bytes;
}

/// True if equal; shows both if not.
inline bool same(netlink::Bytes actual, const std::vector<uint8_t>& expected) {
  const bool equal = std::equal(actual.begin(), actual.end(), expected.begin(), expected.end());
  const auto show = [](const char* name, netlink::Bytes bytes) {
    std::printf("  %s", name);
    for (size_t i = 0; i < bytes.size(); ++i) std::printf(i % 4 == 0 ? " %02x" : "%02x", bytes[i]);
    std::printf("\n");
  };
  if (!equal) show("actual  ", actual);
  if (!equal) show("expected", expected);
  return equal;
}

}  // namespace check

#define CHECK(expression) check::that((expression), #expression, __FILE__, __LINE__)
