#pragma once

#include <cstdint>
#include <optional>

/// Why a record cannot be sent: `field` is `value`; it `rule`. A text field has no value.
struct Violation {
  const char* field;
  std::optional<uint32_t> value;
  const char* rule;
};
