// Datagrams that a real kernel sent (native/fuzz/record), as bytes for tests.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "../netlink/message.h"
#include "check.h"

namespace recording {

/// The parts of a recording, in order. CORPUS is the folder, from the compiler's command line.
inline std::vector<std::vector<uint8_t>> datagrams(const std::string& name) {
  std::vector<std::vector<uint8_t>> parts;
  for (;;) {
    const std::string path = std::string(CORPUS) + "/" + name + "-" + std::to_string(parts.size());
    FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return parts;
    std::vector<uint8_t> bytes(65'536);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
    std::fclose(file);
    parts.push_back(std::move(bytes));
  }
}

/// Every message of the recording that carries data.
template <class Visit>
void eachMessage(const std::string& name, Visit&& visit) {
  const auto parts = datagrams(name);
  CHECK(!parts.empty());
  for (const auto& part : parts) {
    netlink::MessageReader reader(part);
    netlink::Message message;
    while (reader.next(message)) {
      if (message.type >= NLMSG_MIN_TYPE) visit(message);
    }
  }
}

}  // namespace recording
