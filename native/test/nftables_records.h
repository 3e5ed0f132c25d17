// nf_tables records as a caller writes them.
#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <bit>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "../families/nftables_record.h"
#include "check.h"

namespace records {

using nftables::ChainType;
using nftables::ExpressionKind;
using nftables::Kind;
using nftables::Verb;
using Objects = std::vector<nftables::Object>;

template <class Record>
Record of(Kind kind, uint8_t family) {
  Record record{};
  record.verb = Verb::add;
  record.kind = kind;
  record.family = family;
  return record;
}

template <size_t size>
void write(char (&field)[size], std::string_view text) {
  std::copy(text.begin(), text.end(), field);
}

inline nftables::Object table(uint8_t family = 4) {
  return of<nftables::Object>(Kind::table, family);
}

inline nftables::Chain chain(std::string_view name, ChainType type = ChainType::regular) {
  auto record = of<nftables::Chain>(Kind::chain, 4);
  record.type = type;
  write(record.name, name);
  return record;
}

inline nftables::Set set(std::string_view name, uint32_t keyType, uint32_t keyLength) {
  auto record = of<nftables::Set>(Kind::set, 4);
  record.keyType = keyType;
  record.keyLength = keyLength;
  write(record.name, name);
  return record;
}

inline nftables::Expression step(ExpressionKind kind) {
  auto record = of<nftables::Expression>(Kind::expression, 4);
  record.expression = kind;
  return record;
}

inline nftables::Expression payload(uint8_t base, uint32_t offset, uint32_t length, uint8_t target) {
  nftables::Expression record = step(ExpressionKind::payload);
  record.operation = base;
  record.offset = offset;
  record.length = length;
  record.target = target;
  return record;
}

inline nftables::Expression meta(uint32_t key, uint8_t target, uint8_t source = 0) {
  nftables::Expression record = step(ExpressionKind::meta);
  record.key = key;
  record.target = target;
  record.source = source;
  return record;
}

inline nftables::Expression ct(uint32_t key, uint8_t direction, uint8_t target) {
  nftables::Expression record = step(ExpressionKind::ct);
  record.key = key;
  record.operation = direction;
  record.target = target;
  return record;
}

template <size_t size>
void writeBytes(uint8_t (&field)[size], const char* hex) {
  const auto bytes = check::hex(hex);
  std::copy(bytes.begin(), bytes.end(), field);
}

inline nftables::Expression cmp(uint8_t source, uint8_t operation, const char* hex) {
  nftables::Expression record = step(ExpressionKind::cmp);
  record.source = source;
  record.operation = operation;
  record.length = static_cast<uint32_t>(check::hex(hex).size());
  writeBytes(record.data, hex);
  return record;
}

inline nftables::Expression bitwise(uint8_t source, uint8_t target, const char* mask, const char* exclusive) {
  nftables::Expression record = step(ExpressionKind::bitwise);
  record.source = source;
  record.target = target;
  record.length = static_cast<uint32_t>(check::hex(mask).size());
  writeBytes(record.data, mask);
  writeBytes(record.mask, exclusive);
  return record;
}

inline nftables::Expression immediate(uint8_t target, const char* hex) {
  nftables::Expression record = step(ExpressionKind::immediate);
  record.target = target;
  record.length = static_cast<uint32_t>(check::hex(hex).size());
  writeBytes(record.data, hex);
  return record;
}

inline nftables::Expression lookup(uint8_t source, std::string_view setName, uint8_t target = 0, uint32_t flags = 0) {
  nftables::Expression record = step(ExpressionKind::lookup);
  record.source = source;
  record.target = target;
  record.flags = flags;
  write(record.name, setName);
  return record;
}

inline nftables::Expression verdict(int32_t code, std::string_view chainName = {}) {
  nftables::Expression record = step(ExpressionKind::verdict);
  record.key = static_cast<uint32_t>(code);
  write(record.name, chainName);
  return record;
}

inline nftables::Expression nat(uint8_t type, uint8_t address, uint8_t port = 0) {
  nftables::Expression record = step(ExpressionKind::nat);
  record.operation = type;
  record.key = NFPROTO_IPV4;
  record.source = address;
  record.source3 = port;
  return record;
}

inline nftables::Expression reject(uint8_t type, uint32_t code) {
  nftables::Expression record = step(ExpressionKind::reject);
  record.operation = type;
  record.key = code;
  return record;
}

/// A rule and its expressions.
inline Objects rule(std::string_view chainName, std::initializer_list<nftables::Expression> steps,
                    std::string_view comment = {}) {
  auto record = of<nftables::Rule>(Kind::rule, 4);
  record.expressions = static_cast<uint32_t>(steps.size());
  write(record.chain, chainName);
  write(record.comment, comment);
  Objects objects{std::bit_cast<nftables::Object>(record)};
  for (const nftables::Expression& one : steps) objects.push_back(std::bit_cast<nftables::Object>(one));
  return objects;
}

inline nftables::Element element(std::string_view setName, const char* key, const char* end = "",
                                 const char* data = "") {
  nftables::Element record{};
  record.verb = Verb::add;
  record.family = 4;
  record.keyLength = static_cast<uint8_t>(check::hex(key).size());
  record.endLength = static_cast<uint8_t>(check::hex(end).size());
  record.dataLength = static_cast<uint8_t>(check::hex(data).size());
  write(record.set, setName);
  writeBytes(record.key, key);
  writeBytes(record.end, end);
  writeBytes(record.data, data);
  return record;
}

}  // namespace records
