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

struct Visit {
  std::string path;
  FunctionRef<Outcome()> body;
  Outcome outcome;
};

void* enter(void* argument) {
  Visit& visit = *static_cast<Visit*>(argument);
  const Descriptor target(::open(visit.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!target) {
    visit.outcome = failure(errno, "open", visit.path);
  } else if (::setns(target.get(), CLONE_NEWNET) != 0) {
    visit.outcome = failure(errno, "setns", visit.path);
  } else {
    visit.outcome = visit.body();
  }
  return nullptr;
}

}  // namespace

Outcome within(const std::string& networkNamespace, FunctionRef<Outcome()> body) {
  if (networkNamespace.empty()) return body();
  Visit visit{.path = networkNamespace.front() == '/' ? networkNamespace : "/run/netns/" + networkNamespace,
              .body = body,
              .outcome = {}};
  // The thread inherits the signal mask: with all blocked, no handler of the host program runs on it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, enter, &visit);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return failure(error, "pthread_create");
  pthread_join(thread, nullptr);
  return visit.outcome;
}

Outcome openSocket(int protocol, const std::string& networkNamespace, Descriptor& socket) {
  return within(networkNamespace, [&] {
    socket = Descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    return socket ? Outcome{} : failure(errno, "socket");
  });
}

}  // namespace netlink
