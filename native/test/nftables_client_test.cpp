#include "../families/nftables_client.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

#include "check.h"
#include "nftables_records.h"
#include "recording.h"
#include "scripted_kernel.h"

using check::hex;
using check::same;
using check::test;
using netlink::Answers;
using netlink::Outcome;
using nftables::Client;
using nftables::Element;
using nftables::Object;
using records::Kind;
using records::Objects;
using scripted::Datagram;
using scripted::Request;

namespace {

constexpr uint16_t nft = NFNL_SUBSYS_NFTABLES << 8;

Client clientOf(const scripted::Kernel& kernel) {
  return Client(kernel.connect(), "kube-ipvs");
}

// A kernel whose generation counts up as told, and which answers the rest by recordings.
struct RuleSet {
  uint32_t generation = 7;
  int changes = 0;  // so many readings find the generation changed
  int absent = 0;   // errno of queries by name, 0: there is such a thing
  int queries = 0;  // of generation

  std::vector<Datagram> answer(const Request& request) {
    if (request.type == (nft | NFT_MSG_GETGEN)) return generationReply(request);
    if (absent != 0) return {scripted::verdict(request.sequence, absent)};
    switch (request.type) {
      case nft | NFT_MSG_GETTABLE:
        return replies(request, "nftables_table/table-v4", nft | NFT_MSG_NEWTABLE,
                       scripted::verdict(request.sequence, 0));
      case nft | NFT_MSG_GETCHAIN:
        return replies(request, "nftables_chain/chains-v4", nft | NFT_MSG_NEWCHAIN, scripted::done(request.sequence));
      case nft | NFT_MSG_GETSET:
        return replies(request, "nftables_set/sets-v4", nft | NFT_MSG_NEWSET, scripted::done(request.sequence));
      case nft | NFT_MSG_GETRULE:
        return replies(request, "nftables_rule/rules-v4", nft | NFT_MSG_NEWRULE, scripted::done(request.sequence));
      default:
        return replies(request, "nftables_element/elements-forward", nft | NFT_MSG_NEWSETELEM,
                       scripted::done(request.sequence));
    }
  }

 private:
  std::vector<Datagram> generationReply(const Request& request) {
    if (++queries > 1 && queries - 1 <= changes) ++generation;
    auto payload = hex("00000000 0800 0100 000000");
    payload.push_back(static_cast<uint8_t>(generation));
    return {scripted::message(nft | NFT_MSG_NEWGEN, 0, request.sequence, payload),
            scripted::verdict(request.sequence, 0)};
  }

  static std::vector<Datagram> replies(const Request& request, const char* name, uint16_t type, Datagram last) {
    std::vector<Datagram> datagrams;
    recording::eachMessage(name, [&](const netlink::Message& message) {
      datagrams.push_back(scripted::message(type, NLM_F_MULTI, request.sequence, message.payload));
    });
    datagrams.push_back(std::move(last));
    return datagrams;
  }
};

scripted::Script playing(RuleSet& ruleSet) {
  return [&ruleSet](const std::vector<Request>& requests) { return ruleSet.answer(requests[0]); };
}

size_t count(const Objects& objects, Kind kind) {
  return static_cast<size_t>(std::ranges::count(objects, kind, &Object::kind));
}

std::vector<uint16_t> typesIn(const scripted::Kernel& kernel) {
  std::vector<uint16_t> types;
  for (const auto& requests : kernel.heard()) types.push_back(requests[0].type & 0xff);
  return types;
}

void readingTests() {
  test("the table, its chains, sets and rules are read between two looks at the generation", [] {
    RuleSet ruleSet;
    scripted::Kernel kernel(playing(ruleSet));
    Client client = clientOf(kernel);
    Objects objects;
    CHECK(client.objects(4, objects).ok());
    CHECK(count(objects, Kind::table) == 1 && count(objects, Kind::chain) == 6);
    CHECK(count(objects, Kind::set) == 6 && count(objects, Kind::rule) == 18);
    CHECK(objects[0].kind == Kind::table && objects[1].kind == Kind::chain && objects[7].kind == Kind::set);
    CHECK(typesIn(kernel) == std::vector<uint16_t>({NFT_MSG_GETGEN, NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET,
                                                    NFT_MSG_GETRULE, NFT_MSG_GETGEN}));
    const auto named = hex("02000000 0e00 0100 6b756265 2d697076 73000000");
    CHECK(same(kernel.heard()[0][0].payload, hex("00000000")) && same(kernel.heard()[1][0].payload, named));
    CHECK(same(kernel.heard()[2][0].payload, hex("02000000")));
    CHECK(same(kernel.heard()[3][0].payload, named) && same(kernel.heard()[4][0].payload, named));
  });

  test("what changed while it was read is read again, and not twice given", [] {
    RuleSet ruleSet{.changes = 3};
    scripted::Kernel kernel(playing(ruleSet));
    Client client = clientOf(kernel);
    Objects objects;
    CHECK(client.objects(4, objects).ok() && count(objects, Kind::table) == 1 && count(objects, Kind::rule) == 18);
    CHECK(ruleSet.queries == 5);
    std::vector<Element> elements;
    ruleSet = {.changes = 1};
    CHECK(client.elements(4, "forward", elements).ok() && elements.size() == 2 && ruleSet.queries == 3);
  });

  test("what never stops changing fails as interrupted", [] {
    RuleSet ruleSet{.changes = 1000};
    scripted::Kernel kernel(playing(ruleSet));
    Client client = clientOf(kernel);
    std::vector<Element> elements;
    const Outcome outcome = client.elements(4, "forward", elements);
    CHECK(outcome.code == std::string_view("DUMP_INTERRUPTED") && ruleSet.queries == 9);
  });

  test("elements are asked for by table and set", [] {
    RuleSet ruleSet;
    scripted::Kernel kernel(playing(ruleSet));
    Client client = clientOf(kernel);
    std::vector<Element> elements;
    CHECK(client.elements(6, "forward", elements).ok() && elements.size() == 2);
    CHECK(typesIn(kernel) == std::vector<uint16_t>({NFT_MSG_GETGEN, NFT_MSG_GETSETELEM, NFT_MSG_GETGEN}));
    CHECK(same(kernel.heard()[1][0].payload,
               hex("0a000000 0e00 0100 6b756265 2d697076 73000000 0c00 0200 666f7277 61726400")));
  });

  test("no table and no set are nothing to read; another error fails, with the request's name", [] {
    RuleSet ruleSet{.absent = ENOENT};
    scripted::Kernel kernel(playing(ruleSet));
    Client client = clientOf(kernel);
    Objects objects(1);
    std::vector<Element> elements(1);
    CHECK(client.objects(4, objects).ok() && objects.empty());
    CHECK(client.elements(4, "forward", elements).ok() && elements.empty());
    ruleSet.absent = EPERM;
    Outcome outcome = client.objects(4, objects);
    CHECK(outcome.error == EPERM && outcome.call == std::string_view("NFT_MSG_GETTABLE"));
    outcome = client.elements(4, "forward", elements);
    CHECK(outcome.error == EPERM && outcome.call == std::string_view("NFT_MSG_GETSETELEM"));
  });

  test("a kernel without nf_tables is told by the first request", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return EINVAL; }));
    Client client = clientOf(kernel);
    Objects objects;
    const Outcome outcome = client.objects(4, objects);
    CHECK(outcome.error == EINVAL && outcome.call == std::string_view("NFT_MSG_GETGEN"));
  });

  test("an unreadable chain or element fails the dump", [] {
    scripted::Kernel kernel([ruleSet = RuleSet{}](const std::vector<Request>& requests) mutable {
      const Request& request = requests[0];
      if ((request.flags & NLM_F_DUMP) != NLM_F_DUMP) return ruleSet.answer(request);
      const uint16_t type =
          request.type == (nft | NFT_MSG_GETCHAIN) ? nft | NFT_MSG_NEWCHAIN : nft | NFT_MSG_NEWSETELEM;
      return std::vector<Datagram>{scripted::message(type, NLM_F_MULTI, request.sequence, hex("02")),
                                   scripted::done(request.sequence)};
    });
    Client client = clientOf(kernel);
    Objects objects;
    std::vector<Element> elements;
    CHECK(client.objects(4, objects).error == EBADMSG && client.elements(4, "m", elements).error == EBADMSG);
  });
}

void applyingTests() {
  test("objects are sent in their order, a rule with its expressions, each set with a number of its own", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Client client = clientOf(kernel);
    Objects objects = {records::table(), std::bit_cast<Object>(records::set("a", 7, 4)),
                       std::bit_cast<Object>(records::set("b", 7, 4))};
    for (const Object& one : records::rule("x", {records::verdict(0), records::verdict(1)})) objects.push_back(one);
    objects.push_back(records::table(6));
    Answers answers;
    CHECK(client.apply(objects, answers).ok() && answers.errnos == std::vector<int32_t>(7, 0));
    CHECK(answers.nanoseconds > 0);
    const std::vector<Request>& requests = kernel.heard().at(0);
    CHECK(requests.size() == 7 && requests[1].type == (nft | NFT_MSG_NEWTABLE));
    CHECK(requests[2].type == (nft | NFT_MSG_NEWSET) && requests[4].type == (nft | NFT_MSG_NEWRULE));
    CHECK(!std::ranges::equal(requests[2].payload, requests[3].payload));
    const auto idOf = [](const Request& request) { return request.payload.back(); };
    CHECK(idOf(requests[2]) != idOf(requests[3]) && idOf(requests[2]) != 0 && idOf(requests[3]) != 0);
    CHECK(requests[5].payload[0] == 10 && (requests[5].flags & NLM_F_ACK) != 0);
  });

  test("a refused rule is refused with its expressions", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      return std::vector<Datagram>{scripted::verdict(requests[2].sequence, ENOENT, {}, 60),
                                   scripted::verdict(requests[3].sequence, 0)};
    });
    Client client = clientOf(kernel);
    Objects objects = {records::table()};
    for (const Object& one : records::rule("x", {records::verdict(0), records::verdict(1)})) objects.push_back(one);
    objects.push_back(records::table(6));
    Answers answers;
    CHECK(client.apply(objects, answers).ok());
    CHECK(answers.errnos == std::vector<int32_t>({ECANCELED, ENOENT, ENOENT, ENOENT, ECANCELED}));
  });

  test("elements of one set share messages, and the one at fault is found in them", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      // The second element's attribute: header 16, nfgenmsg 4, names 16 and 8, list 4, first element 16.
      return std::vector<Datagram>{scripted::verdict(requests[2].sequence, EEXIST, {}, 64),
                                   scripted::verdict(requests[4].sequence, 0)};
    });
    Client client = clientOf(kernel);
    Element removed = records::element("a", "0a000004");
    removed.verb = records::Verb::remove;
    const std::vector<Element> elements = {
        records::element("a", "0a000000"), records::element("a", "0a000001"), records::element("a", "0a000002"),
        records::element("a", "0a000003"), removed,                           records::element("b", "0a000001"),
    };
    Answers answers;
    CHECK(client.applyElements(elements, answers).ok() && kernel.heard().at(0).size() == 6);
    CHECK(answers.errnos == std::vector<int32_t>({ECANCELED, ECANCELED, EEXIST, ECANCELED, ECANCELED, ECANCELED}));
    CHECK(kernel.heard()[0][3].type == (nft | NFT_MSG_DELSETELEM));
  });

  test("where the kernel does not say which element of a message it refused, each is asked for by itself", [] {
    // Two of five, which a message of four tells without an offset.
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      const size_t last = requests.size() - 2;
      if (requests.size() == 4) return std::vector<Datagram>{scripted::verdict(requests[2].sequence, ENOENT)};
      return std::vector<Datagram>{scripted::verdict(requests[2].sequence, ENOENT, "gone"),
                                   scripted::verdict(requests[4].sequence, EEXIST),
                                   scripted::verdict(requests[last].sequence, 0)};
    });
    Client client = clientOf(kernel);
    const std::vector<Element> elements(5, records::element("a", "0a000001"));
    Answers answers;
    CHECK(client.applyElements(elements, answers).ok());
    CHECK(answers.errnos == std::vector<int32_t>({ECANCELED, ENOENT, ECANCELED, EEXIST, ECANCELED}));
    CHECK(answers.texts.size() == 1 && answers.texts[0].index == 1 && answers.texts[0].text == "gone");
    CHECK(kernel.heard().size() == 2 && kernel.heard()[1].size() == 7);
  });

  test("a refusal for what all elements of a message have in common is not asked for once more", [] {
    scripted::Kernel kernel([](const std::vector<Request>& requests) {
      // The set's name: header 16, nfgenmsg 4, the table's name 16.
      return std::vector<Datagram>{scripted::verdict(requests[1].sequence, ENOENT, {}, 36),
                                   scripted::verdict(requests[2].sequence, ENOENT, {}, 36)};
    });
    Client client = clientOf(kernel);
    const std::vector<Element> elements(5, records::element("a", "0a000001"));
    Answers answers;
    CHECK(client.applyElements(elements, answers).ok() && answers.errnos == std::vector<int32_t>(5, ENOENT));
    CHECK(kernel.heard().size() == 1);
  });

  test("20 000 elements are one datagram of a few full messages", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Client client = clientOf(kernel);
    const std::vector<Element> elements(20'000, records::element("a", "0a000001"));
    Answers answers;
    CHECK(client.applyElements(elements, answers).ok() && answers.errnos == std::vector<int32_t>(20'000, 0));
    CHECK(kernel.heard().size() == 1 && kernel.heard()[0].size() == 8);
    CHECK(kernel.heard()[0][1].flags == (NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ECHO));
    CHECK(kernel.heard()[0][1].payload.size() < 100);
    size_t bytes = 0;
    for (const Request& request : kernel.heard()[0]) bytes += request.payload.size();
    CHECK(bytes >= 20'000 * 16);
  });

  test("nothing to apply is nothing sent", [] {
    scripted::Kernel kernel(scripted::linuxLike([](const Request&) { return 0; }));
    Client client = clientOf(kernel);
    Answers answers;
    CHECK(client.apply({}, answers).ok() && client.applyElements({}, answers).ok() && kernel.heard().empty());
  });
}

}  // namespace

int main() {
  readingTests();
  applyingTests();
  return check::finish();
}
