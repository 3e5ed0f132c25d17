#include "event_thread.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "route_client.h"

namespace route {

namespace {

constexpr size_t mostPending = 65'536;
// Datagrams read before somebody is told: a burst becomes one call into JavaScript.
constexpr int burst = 1024;

}  // namespace

netlink::Outcome EventThread::start(netlink::Socket socket, void (*notify)(void*), void* context) {
  socket_ = std::move(socket);
  notify_ = notify;
  context_ = context;
  wake_ = netlink::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_) return netlink::failure(errno, "eventfd");
  // The thread inherits the signal mask: with all blocked, no handler of the host program runs on it.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread_, nullptr, run, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return netlink::failure(error, "pthread_create");
  started_ = true;
  return {};
}

void EventThread::stop() {
  if (!std::exchange(started_, false)) return;
  eventfd_write(wake_.get(), 1);
  pthread_join(thread_, nullptr);
}

std::vector<Event> EventThread::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(pending_, {});
}

void* EventThread::run(void* self) {
  static_cast<EventThread*>(self)->listen();
  return nullptr;
}

void EventThread::listen() {
  pollfd waits[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                    {.fd = socket_.descriptor(), .events = POLLIN, .revents = 0}};
  std::vector<Event> events;
  for (bool open = true; open;) {
    if (::poll(waits, std::size(waits), -1) < 0 && errno != EINTR) return;
    if (waits[0].revents != 0) return;
    events.clear();
    for (int i = 0; i < burst; ++i) {
      const netlink::Received received = socket_.receive(netlink::Deadline::now());
      if (received.kind == netlink::Received::Kind::nothing) break;
      readEvents(received, events);
      // Broken: the overrun that was just noted is the last thing anyone hears of this socket.
      open = received.kind != netlink::Received::Kind::broken;
      if (!open) break;
    }
    const uint32_t ignored = ignored_;
    std::erase_if(events, [ignored](const Event& event) {
      return event.kind == Event::Kind::address && ignored != 0 && event.address.device == ignored;
    });
    if (keep(events)) notify_(context_);
  }
}

// True if there was nothing pending before and is now.
bool EventThread::keep(const std::vector<Event>& events) {
  if (events.empty()) return false;
  const std::lock_guard lock(mutex_);
  const bool first = pending_.empty();
  for (const Event& event : events) {
    const bool overrun = event.kind == Event::Kind::overrun;
    if (overrun) pending_.clear();
    if (pending_.size() < mostPending) {
      pending_.push_back(event);
    } else {
      pending_.assign(1, {.kind = Event::Kind::overrun, .added = false, .link = {}, .address = {}});
    }
  }
  return first;
}

}  // namespace route
