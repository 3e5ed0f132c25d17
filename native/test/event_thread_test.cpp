#include "../families/event_thread.h"

#include <linux/rtnetlink.h>
#include <semaphore.h>
#include <time.h>

#include "check.h"
#include "scripted_kernel.h"

using check::test;
using route::Event;
using route::EventThread;

namespace {

// A pair of which one end is the monitor's.
struct Pair {
  netlink::Descriptor kernel;
  netlink::Socket monitor;

  Pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    kernel = netlink::Descriptor(ends[0]);
    const netlink::Descriptor other(ends[1]);
    monitor.open(0, {.networkNamespace = {}, .descriptor = other.get()});
  }
  void send(const std::vector<uint8_t>& datagram) const { ::send(kernel.get(), datagram.data(), datagram.size(), 0); }
};

std::vector<uint8_t> address(uint16_t type, uint8_t last) {
  auto payload = check::hex("02200000 07000000 0800 0200 0a600000");
  payload.back() = last;
  return scripted::message(type, 0, 0, payload);
}

struct Notified {
  sem_t semaphore;
  Notified() { sem_init(&semaphore, 0, 0); }
  bool wait() {
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return sem_timedwait(&semaphore, &until) == 0;
  }
  static void notify(void* self) { sem_post(&static_cast<Notified*>(self)->semaphore); }
};

}  // namespace

int main() {
  test("what comes is told once, and can be taken in order", [] {
    Pair pair;
    Notified notified;
    EventThread thread;
    pair.send(address(RTM_NEWADDR, 1));
    pair.send(address(RTM_DELADDR, 2));
    CHECK(thread.start(std::move(pair.monitor), Notified::notify, &notified).ok());
    CHECK(notified.wait());
    std::vector<Event> events = thread.take();
    for (int i = 0; i < 500 && events.size() < 2; ++i) {
      ::usleep(10'000);
      for (const Event& event : thread.take()) events.push_back(event);
    }
    CHECK(events.size() == 2 && events[0].added && events[0].address.address[3] == 1 && !events[1].added);
    CHECK(thread.take().empty());
    pair.send(address(RTM_NEWADDR, 3));
    CHECK(notified.wait() && thread.take().size() == 1);
  });

  test("an overrun drops what came before it", [] {
    Pair pair;
    Notified notified;
    EventThread thread;
    pair.send(address(RTM_NEWADDR, 1));
    pair.send(check::hex("ffffffffffffffffffffffffffffffff"));
    pair.send(address(RTM_NEWADDR, 2));
    CHECK(thread.start(std::move(pair.monitor), Notified::notify, &notified).ok() && notified.wait());
    for (int i = 0; i < 10; ++i) ::usleep(5'000);
    const std::vector<Event> events = thread.take();
    CHECK(events.size() == 2 && events[0].kind == Event::Kind::overrun && events[1].address.address[3] == 2);
  });

  test("events nobody takes become one overrun, however many there are", [] {
    Pair pair;
    Notified notified;
    EventThread thread;
    CHECK(thread.start(std::move(pair.monitor), Notified::notify, &notified).ok());
    auto many = address(RTM_NEWADDR, 1);
    const auto one = many;
    for (int i = 1; i < 1000; ++i) many.insert(many.end(), one.begin(), one.end());
    for (int i = 0; i < 70; ++i) pair.send(many);
    CHECK(notified.wait());
    for (int i = 0; i < 40; ++i) ::usleep(5'000);
    const std::vector<Event> events = thread.take();
    CHECK(!events.empty() && events.size() <= 65'536 && events[0].kind == Event::Kind::overrun);
  });

  test("a broken socket is one last overrun", [] {
    Pair pair;
    Notified notified;
    EventThread thread;
    CHECK(thread.start(std::move(pair.monitor), Notified::notify, &notified).ok());
    pair.kernel.reset();
    CHECK(notified.wait());
    const std::vector<Event> events = thread.take();
    CHECK(events.size() == 1 && events[0].kind == Event::Kind::overrun);
  });

  test("a thread is stopped while it waits, twice, and before it was started", [] {
    EventThread never;
    never.stop();
    Pair pair;
    Notified notified;
    EventThread thread;
    CHECK(thread.start(std::move(pair.monitor), Notified::notify, &notified).ok());
    thread.stop();
    thread.stop();
    pair.send(address(RTM_NEWADDR, 1));
    CHECK(thread.take().empty());
  });

  return check::finish();
}
