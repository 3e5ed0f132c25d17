#pragma once

namespace binding {

/// The name of an errno as Node spells it ("EPERM"); "EUNKNOWN" for one that no netlink call gives.
/// (strerrorname_np is glibc's alone, and libuv knows only half of those the kernel answers.)
const char* errnoName(int error);

}  // namespace binding
