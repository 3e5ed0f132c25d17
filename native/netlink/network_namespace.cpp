#include "network_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>

namespace netlink {

namespace {

struct Opening {
  int protocol;
  std::string path;
  Descriptor socket;
  Outcome outcome;
};

void openHere(Opening& opening) {
  opening.socket = Descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, opening.protocol));
  if (!opening.socket) opening.outcome = failure(errno, "socket");
}

void* openThere(void* argument) {
  Opening& opening = *static_cast<Opening*>(argument);
  const Descriptor target(::open(opening.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!target) {
    opening.outcome = failure(errno, "open", opening.path);
  } else if (::setns(target.get(), CLONE_NEWNET) != 0) {
    opening.outcome = failure(errno, "setns", opening.path);
  } else {
    openHere(opening);
  }
  return nullptr;
}

}  // namespace

Outcome openSocket(int protocol, const std::string& networkNamespace, Descriptor& socket) {
  Opening opening{.protocol = protocol, .path = {}, .socket = {}, .outcome = {}};
  if (networkNamespace.empty()) {
    openHere(opening);
  } else {
    opening.path = networkNamespace.front() == '/' ? networkNamespace : "/run/netns/" + networkNamespace;
    // The thread inherits the signal mask: with all blocked, no handler of the host program runs on it.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    const int error = pthread_create(&thread, nullptr, openThere, &opening);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) return failure(error, "pthread_create");
    pthread_join(thread, nullptr);
  }
  socket = std::move(opening.socket);
  return opening.outcome;
}

}  // namespace netlink
