#include "../families/nftables_record.h"

#include <linux/netfilter/nf_nat.h>

#include <cstring>

#include "check.h"
#include "nftables_records.h"

using check::test;
using nftables::Chain;
using nftables::Element;
using nftables::Expression;
using nftables::Object;
using nftables::Rule;
using nftables::Set;
using records::ChainType;
using records::ExpressionKind;
using records::Kind;
using records::Objects;
using records::Verb;

namespace {

// The field that records[index] is refused for, "" if it is not.
std::string_view fieldOf(const Objects& objects, size_t index) {
  const auto violation = nftables::violationOf(objects, index);
  return violation ? violation->field : "";
}

template <class Record, class Change>
std::string_view refused(Record record, Change&& change) {
  change(record);
  return fieldOf({std::bit_cast<Object>(record)}, 0);
}

constexpr auto unchanged = [](auto&) {};

void objectTests() {
  test("tables, chains and sets are accepted, to add and to delete; a chain to edit", [] {
    for (const Verb verb : {Verb::add, Verb::remove}) {
      CHECK(refused(records::table(), [=](Object& op) { op.verb = verb; }).empty());
      CHECK(refused(records::chain("x"), [=](Chain& op) { op.verb = verb; }).empty());
      CHECK(refused(records::set("x", 7, 4), [=](Set& op) { op.verb = verb; }).empty());
    }
    CHECK(refused(records::chain("x"), [](Chain& op) { op.verb = Verb::edit; }).empty());
    CHECK(refused(records::chain("x", ChainType::nat), unchanged).empty());
  });

  test("kind, verb and family are checked", [] {
    CHECK(refused(records::table(), [](Object& op) { op.kind = static_cast<Kind>(0); }) == "kind");
    CHECK(refused(records::table(), [](Object& op) { op.kind = static_cast<Kind>(6); }) == "kind");
    CHECK(refused(records::table(), [](Object& op) { op.verb = Verb::none; }) == "verb");
    CHECK(refused(records::table(), [](Object& op) { op.verb = Verb::edit; }) == "verb");
    CHECK(refused(records::set("x", 7, 4), [](Set& op) { op.verb = Verb::edit; }) == "verb");
    CHECK(refused(records::of<Rule>(Kind::rule, 4), [](Rule& op) { op.verb = Verb::remove; }) == "verb");
    CHECK(refused(records::table(), [](Object& op) { op.family = 5; }) == "family");
  });

  test("a chain has a name, and as base chain type, hook and policy, else none of them", [] {
    const Chain base = records::chain("x", ChainType::filter);
    const Chain regular = records::chain("x");
    CHECK(refused(regular, [](Chain& op) { op.name[0] = '\0'; }) == "name");
    CHECK(refused(regular, [](Chain& op) { std::memset(op.name, 'x', sizeof op.name); }) == "name");
    CHECK(refused(base, [](Chain& op) { op.type = static_cast<ChainType>(3); }) == "type");
    CHECK(refused(base, [](Chain& op) { op.type = ChainType::other; }) == "type");
    CHECK(refused(base, [](Chain& op) { op.hook = NF_INET_POST_ROUTING + 1; }) == "hook");
    CHECK(refused(regular, [](Chain& op) { op.hook = 1; }) == "hook");
    CHECK(refused(base, [](Chain& op) { op.policy = 2; }) == "policy");
    CHECK(refused(regular, [](Chain& op) { op.policy = 1; }) == "policy");
    CHECK(refused(regular, [](Chain& op) { op.priority = -1; }) == "priority");
  });

  test("a set has a name, data only as a map, and two fields or none", [] {
    const Set set = records::set("x", 7, 4);
    CHECK(refused(set, [](Set& op) { op.name[0] = '\0'; }) == "name");
    CHECK(refused(set, [](Set& op) { op.dataLength = 4; }) == "data length");
    CHECK(refused(set, [](Set& op) { op.dataType = 7; }) == "data length");
    CHECK(refused(set, [](Set& op) { op.fieldLengths[0] = 4; }) == "field lengths");
    CHECK(refused(set, [](Set& op) { op.fieldLengths[0] = op.fieldLengths[1] = 4; }).empty());
  });
}

void ruleTests() {
  test("a rule counts the expressions behind it, and none is without one", [] {
    const Objects rule = records::rule("x", {records::verdict(0), records::verdict(1)});
    for (size_t i = 0; i < rule.size(); ++i) CHECK(fieldOf(rule, i).empty());
    const auto counting = [&](uint32_t count) {
      Objects objects = rule;
      auto head = std::bit_cast<Rule>(rule[0]);
      head.expressions = count;
      objects[0] = std::bit_cast<Object>(head);
      return objects;
    };
    CHECK(fieldOf(counting(3), 0) == "expressions" && fieldOf(counting(0xffffffff), 0) == "expressions");
    CHECK(fieldOf(counting(1), 0).empty() && fieldOf(counting(1), 1).empty() && fieldOf(counting(1), 2) == "kind");
    CHECK(fieldOf(counting(0), 1) == "kind");
    CHECK(fieldOf({rule[1]}, 0) == "kind" && fieldOf({records::table(), rule[1]}, 1) == "kind");
    Objects broken = rule;
    broken[1] = records::table();
    CHECK(fieldOf(broken, 0) == "expressions");
    Objects long_rule = counting(nftables::mostExpressions + 1);
    long_rule.resize(nftables::mostExpressions + 2, rule[1]);
    CHECK(fieldOf(long_rule, 0) == "expressions" && fieldOf(long_rule, nftables::mostExpressions + 1) == "kind");
  });

  test("a rule has a chain, and a comment that ends", [] {
    const Rule rule = std::bit_cast<Rule>(records::rule("x", {})[0]);
    CHECK(refused(rule, unchanged).empty());
    CHECK(refused(rule, [](Rule& op) { op.chain[0] = '\0'; }) == "chain");
    CHECK(refused(rule, [](Rule& op) { std::memset(op.comment, 'x', sizeof op.comment); }) == "comment");
  });
}

template <class Change>
std::string_view refusedStep(const Expression& step, Change&& change) {
  Expression changed = step;
  change(changed);
  return fieldOf(records::rule("x", {changed}), 1);
}

void expressionTests() {
  test("expressions of every kind are accepted", [] {
    const Objects rule = records::rule(
        "x", {records::meta(1, 1), records::payload(1, 0, 4, 9), records::cmp(23, 0, "00"),
              records::bitwise(1, 1, "00", "00"), records::lookup(1, "s"), records::verdict(NFT_JUMP, "c"),
              records::ct(0, 255, 1), records::step(ExpressionKind::masquerade), records::nat(0, 1, 2),
              records::reject(0, 255), records::immediate(1, "00112233445566778899aabbccddeeff")});
    for (size_t i = 0; i < rule.size(); ++i) CHECK(fieldOf(rule, i).empty());
  });

  test("kind, registers, length and names are checked", [] {
    const Expression meta = records::meta(1, 1);
    CHECK(refusedStep(meta, [](Expression& op) { op.expression = static_cast<ExpressionKind>(0); }) == "expression");
    CHECK(refusedStep(meta, [](Expression& op) { op.expression = static_cast<ExpressionKind>(12); }) == "expression");
    CHECK(refusedStep(meta, [](Expression& op) { op.expression = ExpressionKind::other; }) == "expression");
    for (const uint8_t number : std::initializer_list<uint8_t>{5, 7, 8, 12, 16, 20, 24, 255}) {
      CHECK(refusedStep(meta, [=](Expression& op) { op.target = number; }) == "register");
      CHECK(refusedStep(meta, [=](Expression& op) { op.source4 = number; }) == "register");
    }
    for (const uint8_t number : std::initializer_list<uint8_t>{1, 4, 9, 11, 13, 23}) {
      CHECK(refusedStep(meta, [=](Expression& op) { op.target = number; }).empty());
    }
    CHECK(refusedStep(records::cmp(1, 0, "00"), [](Expression& op) { op.length = 0; }) == "length");
    CHECK(refusedStep(records::bitwise(1, 1, "00", "00"), [](Expression& op) { op.length = 17; }) == "length");
    CHECK(refusedStep(records::immediate(1, "00"), [](Expression& op) { op.length = 17; }) == "length");
    CHECK(refusedStep(records::reject(0, 256), unchanged) == "key");
    CHECK(refusedStep(records::lookup(1, ""), unchanged) == "name");
    CHECK(refusedStep(records::verdict(NFT_GOTO), unchanged) == "name");
    CHECK(refusedStep(records::verdict(NFT_RETURN, "c"), unchanged) == "name");
    const auto fill = [](Expression& op) { std::memset(op.name, 'x', sizeof op.name); };
    CHECK(refusedStep(records::lookup(1, "s"), fill) == "name");
  });

  test("what the kernel fills in by itself is not to be given", [] {
    const Expression nat = records::nat(NFT_NAT_SNAT, 1, 2);
    CHECK(refusedStep(nat, [](Expression& op) { op.flags = NF_NAT_RANGE_MAP_IPS; }) == "flags");
    CHECK(refusedStep(nat, [](Expression& op) { op.flags = NF_NAT_RANGE_PROTO_SPECIFIED; }) == "flags");
    CHECK(refusedStep(nat, [](Expression& op) { op.source2 = 1; }) == "source 2");
    CHECK(refusedStep(nat, [](Expression& op) { op.source4 = 2; }) == "source 4");
    CHECK(refusedStep(records::ct(NFT_CT_PROTOCOL, 0, 1), unchanged) == "operation");
    CHECK(refusedStep(records::ct(NFT_CT_L3PROTOCOL, 255, 1), unchanged).empty());
  });
}

void elementTests() {
  test("an element's verb, family, set and lengths are checked", [] {
    const auto refusedElement = [](auto&& change) {
      Element op = records::element("s", "0a000001");
      change(op);
      const auto violation = nftables::violationOf(op);
      return std::string_view(violation ? violation->field : "");
    };
    CHECK(refusedElement(unchanged).empty());
    CHECK(refusedElement([](Element& op) { op.verb = Verb::remove; }).empty());
    CHECK(refusedElement([](Element& op) { op.verb = Verb::none; }) == "verb");
    CHECK(refusedElement([](Element& op) { op.verb = Verb::edit; }) == "verb");
    CHECK(refusedElement([](Element& op) { op.family = 0; }) == "family");
    CHECK(refusedElement([](Element& op) { op.set[0] = '\0'; }) == "set");
    CHECK(refusedElement([](Element& op) { std::memset(op.set, 'x', sizeof op.set); }) == "set");
    CHECK(refusedElement([](Element& op) { op.keyLength = 0; }) == "key length");
    CHECK(refusedElement([](Element& op) { op.keyLength = 41; }) == "key length");
    const auto catchAll = [](Verb verb, uint8_t endLength) {
      return [=](Element& op) {
        op.verb = verb;
        op.keyLength = 0;
        op.endLength = endLength;
      };
    };
    CHECK(refusedElement(catchAll(Verb::remove, 0)).empty());
    CHECK(refusedElement(catchAll(Verb::remove, 4)) == "end length");
    CHECK(refusedElement(catchAll(Verb::add, 0)) == "key length");
    CHECK(refusedElement([](Element& op) { op.endLength = 3; }) == "end length");
    CHECK(refusedElement([](Element& op) { op.endLength = 4; }).empty());
    CHECK(refusedElement([](Element& op) { op.dataLength = 25; }) == "data length");
    CHECK(refusedElement([](Element& op) { op.dataLength = 24; }).empty());
  });
}

}  // namespace

int main() {
  objectTests();
  ruleTests();
  expressionTests();
  elementTests();
  return check::finish();
}
