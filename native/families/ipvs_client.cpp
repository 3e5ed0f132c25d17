#include "ipvs_client.h"

#include <errno.h>
#include <linux/ip_vs.h>

#include <algorithm>

#include "../netlink/dump.h"
#include "genl.h"
#include "ipvs_codec.h"

namespace ipvs {

using netlink::Answers;
using netlink::Batches;
using netlink::Message;
using netlink::MessageWriter;
using netlink::mostDumped;
using netlink::Outcome;

namespace {

// True size of an answer to GET_SERVICE, as counted against SO_RCVBUF: 1 280 bytes on 6.1 after netlink_trim, and never
// more than the buffer it is made in (NLMSG_GOODSIZE, 8 KiB at most).
constexpr size_t serviceReplySize = 8 * 1024 + 512;

}  // namespace

Outcome Client::withFamily(netlink::FunctionRef<Outcome()> exchange) {
  if (family_ == 0) {
    Outcome found = genl::findFamily(socket_, IPVS_GENL_NAME, family_);
    if (!found.ok()) return found;
  }
  Outcome outcome = exchange();
  if (outcome.error != ENOENT || outcome.code != nullptr) return outcome;
  bool moved = false;
  Outcome found = lookAgain(moved);
  if (!found.ok()) return found;
  return moved ? exchange() : outcome;
}

Outcome Client::lookAgain(bool& moved) {
  uint16_t now = 0;
  Outcome found = genl::findFamily(socket_, IPVS_GENL_NAME, now);
  // Gone: the next call asks from scratch.
  moved = std::exchange(family_, now) != now;
  return found;
}

Outcome Client::apply(std::span<const Op> ops, Answers& answers) {
  answers = Answers(ops.size());
  if (ops.empty()) return {};
  return withFamily([&] {
    Outcome outcome = send(ops, answers, netlink::unknown);
    const bool missing = std::ranges::find(answers.errnos, ENOENT) != answers.errnos.end();
    return outcome.ok() && missing ? retryMissing(ops, answers) : outcome;
  });
}

// ENOENT answers an unknown scheduler and a destination that is not there, but also a family number that is no
// more. Only where the number changed were those operations never looked at.
Outcome Client::retryMissing(std::span<const Op> ops, Answers& answers) {
  bool moved = false;
  Outcome found = lookAgain(moved);
  if (found.ok() && !moved) return {};
  std::erase_if(answers.texts, [&](const auto& text) { return answers.errnos[text.index] == ENOENT; });
  if (found.ok()) return send(ops, answers, ENOENT);
  const bool anyOther = std::ranges::any_of(answers.errnos, [](int32_t error) { return error != ENOENT; });
  if (!anyOther) return found;
  std::ranges::replace(answers.errnos, ENOENT, netlink::unknown);
  return {};
}

// Sends the operations whose answer is `pending`.
Outcome Client::send(std::span<const Op> ops, Answers& answers, int32_t pending) {
  const int64_t start = netlink::monotonic();
  auto noData = [](uint32_t, const Message&) {};
  Batches batches(socket_, answers, noData);
  for (uint32_t i = 0; i < ops.size(); ++i) {
    if (answers.errnos[i] != pending) continue;
    answers.errnos[i] = netlink::unknown;
    packOp(batches.begin(i, family_, 0), ops[i]);
    batches.commit();
  }
  Outcome outcome = batches.finish();
  answers.nanoseconds += static_cast<uint64_t>(netlink::monotonic() - start);
  return outcome;
}

Outcome Client::services(std::vector<Entry>& entries) {
  return dumpServices(entries, unpackService);
}

Outcome Client::traffic(std::vector<Traffic>& counters) {
  return dumpServices(counters, unpackTraffic);
}

template <class Record>
Outcome Client::dumpServices(std::vector<Record>& records, bool (*unpack)(const Message&, Record&)) {
  return withFamily([&] {
    return netlink::dump(socket_, {
                                      .name = "IPVS_CMD_GET_SERVICE",
                                      .type = family_,
                                      .pack = [](MessageWriter& writer) { packServicesQuery(writer); },
                                      .restart = [&] { records.clear(); },
                                      .unpack =
                                          [&](const Message& reply) {
                                            records.emplace_back();
                                            return records.size() <= mostDumped && unpack(reply, records.back());
                                          },
                                  });
  });
}

Outcome Client::find(std::span<const Op> identities, std::vector<Entry>& entries, Answers& answers) {
  answers = Answers(identities.size());
  entries.assign(identities.size(), Entry{});
  if (identities.empty()) return {};
  auto sink = [&](uint32_t index, const Message& reply) {
    if (!unpackService(reply, entries[index])) entries[index] = {};
  };
  auto send = [&]() -> Outcome {
    answers = Answers(identities.size());
    entries.assign(identities.size(), Entry{});
    Batches batches(socket_, answers, sink, serviceReplySize);
    for (uint32_t i = 0; i < identities.size(); ++i) {
      packServiceQuery(batches.begin(i, family_, 0), identities[i]);
      batches.commit();
    }
    Outcome outcome = batches.finish();
    for (size_t i = 0; i < entries.size(); ++i) {
      const bool there = entries[i].op.kind == Kind::service;
      if (answers.errnos[i] == 0 && !there) answers.errnos[i] = netlink::unknown;
      if (answers.errnos[i] != 0) entries[i] = {};
    }
    // No service query is answered ENOENT, so a family that is gone is all there is to hear.
    const bool gone = std::ranges::find(answers.errnos, ENOENT) != answers.errnos.end();
    if (outcome.ok() && gone) outcome = netlink::failure(ENOENT, "IPVS_CMD_GET_SERVICE");
    return outcome;
  };
  return withFamily(send);
}

Outcome Client::destinations(std::span<const Op> services, std::vector<Entry>& entries, std::vector<uint32_t>& counts) {
  for (const Op& service : services) {
    const size_t before = entries.size();
    Outcome outcome = withFamily([&] { return dumpDestinations(service, entries); });
    if (!outcome.ok()) return outcome;
    counts.push_back(static_cast<uint32_t>(entries.size() - before));
  }
  return {};
}

Outcome Client::dumpDestinations(const Op& service, std::vector<Entry>& entries) {
  const size_t before = entries.size();
  return netlink::dump(socket_, {
                                    .name = "IPVS_CMD_GET_DEST",
                                    .type = family_,
                                    .pack = [&](MessageWriter& writer) { packDestinationsQuery(writer, service); },
                                    .restart = [&] { entries.resize(before); },
                                    .unpack =
                                        [&](const Message& reply) {
                                          entries.emplace_back();
                                          return entries.size() <= mostDumped &&
                                                 unpackDestination(reply, service, entries.back());
                                        },
                                });
}

Outcome Client::info(Info& info) {
  return withFamily([&] {
    return netlink::request(
        socket_, "IPVS_CMD_GET_INFO",
        [&](Batches& batches) {
          packInfoQuery(batches.begin(0, family_, 0));
          batches.commit();
        },
        [&](const Message& reply) { return unpackInfo(reply, info); });
  });
}

Outcome Client::timeouts(Timeouts& timeouts) {
  return withFamily([&] {
    return netlink::request(
        socket_, "IPVS_CMD_GET_CONFIG",
        [&](Batches& batches) {
          packTimeoutsQuery(batches.begin(0, family_, 0));
          batches.commit();
        },
        [&](const Message& reply) { return unpackTimeouts(reply, timeouts); });
  });
}

Outcome Client::setTimeouts(const Timeouts& timeouts) {
  return withFamily([&] {
    return netlink::command(socket_, "IPVS_CMD_SET_CONFIG", [&](Batches& batches) {
      packTimeouts(batches.begin(0, family_, 0), timeouts);
      batches.commit();
    });
  });
}

}  // namespace ipvs
