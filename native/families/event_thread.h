#pragma once

#include <pthread.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "../netlink/socket.h"
#include "route_record.h"

namespace route {

/// Listens to a monitor socket on a thread of its own and keeps what it heard until somebody takes it.
///
/// Bounded: a listener that does not take gets one overrun in place of more than 65 536 events. An overrun drops
/// what came before it, which whoever reads everything again needs no more.
class EventThread {
 public:
  EventThread() = default;
  EventThread(const EventThread&) = delete;
  EventThread& operator=(const EventThread&) = delete;
  ~EventThread() { stop(); }

  /// `notify(context)` is called from the thread whenever there is something to take and was nothing before.
  netlink::Outcome start(netlink::Socket socket, void (*notify)(void*), void* context);
  /// Addresses of this device are not told of from here on; 0: those of all are.
  void ignore(uint32_t device) { ignored_ = device; }
  /// Wakes the thread and waits for it; twice is safe. `notify` is not called after.
  void stop();
  std::vector<Event> take();

 private:
  static void* run(void* self);
  void listen();
  bool keep(const std::vector<Event>& events);

  netlink::Socket socket_;
  netlink::Descriptor wake_;
  void (*notify_)(void*) = nullptr;
  void* context_ = nullptr;
  pthread_t thread_{};
  bool started_ = false;
  std::atomic<uint32_t> ignored_ = 0;
  std::mutex mutex_;
  std::vector<Event> pending_;  // guarded by mutex_
};

}  // namespace route
