// What this process may do, made less and for good.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../netlink/outcome.h"

namespace privileges {

/// Executes a program in place of this one, with the same environment and process id, that has of all capabilities at
/// most those of the mask (1 << CAP_…), and can get no other: not by its bounding set, not by a file that it executes.
/// Does not return if all went well. If not, this thread alone may have lost its privileges: the process should end.
///
/// Capabilities belong to threads, and no thread can take them from another: those of V8 and libuv exist before any
/// code of ours runs, and one of Node's blocks every signal. Only execve(2) leaves a single thread.
netlink::Outcome execute(const std::string& program, const std::vector<std::string>& arguments, uint32_t capabilities);

}  // namespace privileges
