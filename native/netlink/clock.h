#pragma once

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace netlink {

/// Nanoseconds on CLOCK_MONOTONIC.
inline int64_t monotonic() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// A point in time after which nothing is waited for.
class Deadline {
 public:
  static Deadline inMilliseconds(int milliseconds) { return Deadline(monotonic() + int64_t{milliseconds} * 1'000'000); }
  /// Already passed: take what is there, wait for nothing.
  static Deadline now() { return Deadline(0); }

  bool passed() const { return monotonic() >= at_; }
  /// Milliseconds left, rounded up so that poll(2) does not spin in the last one; 0 once passed.
  int milliseconds() const {
    const int64_t left = (at_ - monotonic() + 999'999) / 1'000'000;
    return static_cast<int>(std::clamp<int64_t>(left, 0, std::numeric_limits<int>::max()));
  }

 private:
  explicit Deadline(int64_t at) : at_(at) {}
  int64_t at_;
};

}  // namespace netlink
