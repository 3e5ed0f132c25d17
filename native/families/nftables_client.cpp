#include "nftables_client.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <bit>

#include "../netlink/dump.h"
#include "nftables_codec.h"
#include "nftables_element.h"
#include "nftables_transaction.h"

namespace nftables {

using netlink::Answers;
using netlink::Batches;
using netlink::Message;
using netlink::MessageWriter;
using netlink::mostDumped;
using netlink::Outcome;

namespace {

constexpr int tries = 8;

// How one kind of object is dumped.
struct Query {
  const char* name;
  uint8_t request;
  uint8_t answer;
  bool (*unpack)(const Message& message, std::string_view table, std::vector<Object>& objects);
};

Query queryOf(Kind kind) {
  if (kind == Kind::chain) return {"NFT_MSG_GETCHAIN", NFT_MSG_GETCHAIN, NFT_MSG_NEWCHAIN, unpackChain};
  if (kind == Kind::set) return {"NFT_MSG_GETSET", NFT_MSG_GETSET, NFT_MSG_NEWSET, unpackSet};
  return {"NFT_MSG_GETRULE", NFT_MSG_GETRULE, NFT_MSG_NEWRULE, unpackRule};
}

}  // namespace

Outcome Client::apply(std::span<const Object> objects, Answers& answers) {
  answers = Answers(objects.size());
  const int64_t start = netlink::monotonic();
  Transaction transaction(socket_, answers);
  for (uint32_t i = 0; i < objects.size();) {
    const Object& op = objects[i];
    const Command command = commandOf(op);
    const uint32_t own = op.kind == Kind::rule ? std::bit_cast<Rule>(op).expressions : 0;
    packObject(transaction.begin(i, command.type, command.flags, roomOf(op)), table_, objects.subspan(i), i + 1);
    i += 1 + own;
    transaction.commit(i);
  }
  Outcome outcome = transaction.finish();
  answers.nanoseconds = static_cast<uint64_t>(netlink::monotonic() - start);
  return outcome;
}

Outcome Client::applyElements(std::span<const Element> elements, Answers& answers) {
  const int64_t start = netlink::monotonic();
  bool named = true;
  Outcome outcome = sendElements(elements, elements.size(), answers, named);
  // Before 6.1 the kernel does not say which element of a message it refused. In a message of one it need not.
  if (outcome.ok() && !named) outcome = sendElements(elements, 1, answers, named);
  answers.nanoseconds = static_cast<uint64_t>(netlink::monotonic() - start);
  return outcome;
}

// At most `together` of them to a message. `named` is false if one of several in a message was refused, nobody said which.
Outcome Client::sendElements(std::span<const Element> elements, size_t together, Answers& answers, bool& named) {
  answers = Answers(elements.size());
  Transaction transaction(socket_, answers);
  for (uint32_t i = 0; i < elements.size();) {
    const Command command = commandOf(elements[i]);
    // All that the first message changes is told back (NLM_F_ECHO), which takes the kernel as long as the change itself.
    const size_t most = i == 0 ? 1 : together;
    const auto some = elements.subspan(i, std::min(most, elements.size() - i));
    MessageWriter& writer = transaction.begin(i, command.type, command.flags, elementsRoom);
    packElements(writer, table_, some, [&] { transaction.mark(i++); });
    transaction.commit(i);
  }
  Outcome outcome = transaction.finish();
  named = transaction.named();
  return outcome;
}

Outcome Client::objects(uint8_t family, std::vector<Object>& objects) {
  Outcome outcome = atOneMoment([&] {
    objects.clear();
    Outcome read = table(family, objects);
    for (const Kind kind : {Kind::chain, Kind::set, Kind::rule}) {
      if (read.ok()) read = dumpObjects(kind, family, objects);
    }
    return read;
  });
  if (outcome.error != ENOENT) return outcome;
  objects.clear();
  return {};
}

Outcome Client::elements(uint8_t family, const std::string& set, std::vector<Element>& elements) {
  Outcome outcome = atOneMoment([&] { return dumpElements(family, set, elements); });
  if (outcome.error != ENOENT) return outcome;
  elements.clear();
  return {};
}

// The kernel marks a dump as interrupted only within it, and one of elements not at all (nf_tables_dump_set, 6.1). So
// what was read counts if the rule set is of the same generation before and after.
Outcome Client::atOneMoment(netlink::FunctionRef<Outcome()> read) {
  uint32_t before = 0;
  Outcome outcome = generation(before);
  for (int attempt = 0; attempt < tries && outcome.ok(); ++attempt) {
    Outcome found = read();
    if (!found.ok() && found.error != ENOENT) return found;
    uint32_t after = 0;
    outcome = generation(after);
    if (outcome.ok() && after == before) return found;
    before = after;
  }
  if (!outcome.ok()) return outcome;
  return {.error = EINTR, .call = "NFT_MSG_GETGEN", .code = netlink::dumpInterrupted, .text = {}};
}

Outcome Client::generation(uint32_t& generation) {
  return netlink::request(
      socket_, "NFT_MSG_GETGEN",
      [](Batches& batches) {
        packGenerationQuery(batches.begin(0, typeOf(NFT_MSG_GETGEN), 0));
        batches.commit();
      },
      [&](const Message& reply) {
        return reply.type == typeOf(NFT_MSG_NEWGEN) && unpackGeneration(reply, generation);
      });
}

Outcome Client::table(uint8_t family, std::vector<Object>& objects) {
  return netlink::request(
      socket_, "NFT_MSG_GETTABLE",
      [&](Batches& batches) {
        packQuery(batches.begin(0, typeOf(NFT_MSG_GETTABLE), 0), Kind::table, family, table_);
        batches.commit();
      },
      [&](const Message& reply) {
        return reply.type == typeOf(NFT_MSG_NEWTABLE) && unpackTable(reply, table_, objects);
      });
}

Outcome Client::dumpObjects(Kind kind, uint8_t family, std::vector<Object>& objects) {
  const Query query = queryOf(kind);
  const size_t before = objects.size();
  return netlink::dump(socket_, {
                                    .name = query.name,
                                    .type = typeOf(query.request),
                                    .pack = [&](MessageWriter& writer) { packQuery(writer, kind, family, table_); },
                                    .restart = [&] { objects.resize(before); },
                                    .unpack =
                                        [&](const Message& reply) {
                                          if (reply.type != typeOf(query.answer)) return true;
                                          return objects.size() <= mostDumped && query.unpack(reply, table_, objects);
                                        },
                                });
}

Outcome Client::dumpElements(uint8_t family, const std::string& set, std::vector<Element>& elements) {
  return netlink::dump(socket_,
                       {
                           .name = "NFT_MSG_GETSETELEM",
                           .type = typeOf(NFT_MSG_GETSETELEM),
                           .pack = [&](MessageWriter& writer) { packElementsQuery(writer, family, table_, set); },
                           .restart = [&] { elements.clear(); },
                           .unpack =
                               [&](const Message& reply) {
                                 if (reply.type != typeOf(NFT_MSG_NEWSETELEM)) return true;
                                 return elements.size() <= mostDumped && unpackElements(reply, elements);
                               },
                       });
}

}  // namespace nftables
