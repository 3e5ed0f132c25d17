#pragma once

#include <string>
#include <utility>

namespace netlink {

/// How a call ended. Expected failure is a value: `error` is an errno, 0 when it went well.
struct Outcome {
  int error = 0;
  /// What failed: the system call, or the netlink request.
  const char* call = "";
  /// A stable code where the errno's name would mislead (DUMP_INTERRUPTED, ERR_NO_FAMILY), else nullptr.
  const char* code = nullptr;
  /// The kernel's own words (extended ack), empty when it had none.
  std::string text;

  bool ok() const { return error == 0; }
};

inline Outcome failure(int error, const char* call, std::string text = {}) {
  return {.error = error, .call = call, .code = nullptr, .text = std::move(text)};
}

}  // namespace netlink
