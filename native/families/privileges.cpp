#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace privileges {

namespace {

using netlink::failure;
using netlink::Outcome;

constexpr uint32_t bit(int capability) {
  return capability < 32 ? uint32_t{1} << capability : 0;
}

// It takes CAP_SETPCAP. Who has it not is as well off: without new privileges nothing above the permitted set is in
// reach.
Outcome limitBounding(uint32_t capabilities) {
  for (int capability = 0;; ++capability) {
    const int held = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    // behind the last that this kernel knows
    if (held < 0) return errno == EINVAL ? Outcome{} : failure(errno, "prctl(PR_CAPBSET_READ)");
    if (held == 0 || (bit(capability) & capabilities) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) {
      return failure(errno, "prctl(PR_CAPBSET_DROP)");
    }
  }
}

// Permitted to user 0 by execve(2) is what the bounding set holds, to others what is ambient: hence both.
Outcome limitHeld(uint32_t capabilities) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, sets) != 0) return failure(errno, "capget");
  const uint32_t kept = sets[0].permitted & capabilities;
  uint32_t inheritable = 0;
  for (int capability = 0; capability < 32; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1) inheritable |= kept & bit(capability);
  }
  sets[0] = {.effective = kept, .permitted = kept, .inheritable = inheritable};
  sets[1] = {};
  if (::syscall(SYS_capset, &header, sets) != 0) return failure(errno, "capset");
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int capability = 0; capability < 32; ++capability) {
    // Refused where securebits forbid it. User 0 does without; others hear of it from the kernel's first EPERM.
    if ((inheritable & bit(capability)) != 0) ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failure(errno, "prctl(PR_SET_NO_NEW_PRIVS)");
  return {};
}

}  // namespace

Outcome execute(const std::string& program, const std::vector<std::string>& arguments, uint32_t capabilities) {
  if (Outcome limited = limitBounding(capabilities); !limited.ok()) return limited;
  if (Outcome limited = limitHeld(capabilities); !limited.ok()) return limited;
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  // libuv marks every descriptor that it opens, and may have taken these over.
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const int flags = ::fcntl(stream, F_GETFD);
    if (flags >= 0) ::fcntl(stream, F_SETFD, flags & ~FD_CLOEXEC);
  }
  ::execve(program.c_str(), words.data(), environ);
  return failure(errno, "execve", program);
}

}  // namespace privileges
