#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/base/named_type.h"

namespace dragonfly {

/// The value of a log field. It borrows: text and statuses must live until the log call returns, as
/// temporaries of the call's own expression do.
class LogValue {
 public:
  enum class Kind : std::uint8_t { kText, kSigned, kUnsigned, kDouble, kBool, kStatus };

  // Implicit, so that a field reads {"task_id", id}.
  LogValue(std::string_view text) : kind_(Kind::kText), text_(text) {}       // NOLINT
  LogValue(const std::string& text) : kind_(Kind::kText), text_(text) {}     // NOLINT
  LogValue(const char* text) : kind_(Kind::kText), text_(text) {}            // NOLINT
  template <class Tag>
  LogValue(const NamedString<Tag>& id) : kind_(Kind::kText), text_(id.str()) {}  // NOLINT
  LogValue(std::same_as<bool> auto value) : kind_(Kind::kBool), unsigned_(value) {}  // NOLINT
  template <std::signed_integral T>
  LogValue(T value) : kind_(Kind::kSigned), signed_(value) {}  // NOLINT
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  LogValue(T value) : kind_(Kind::kUnsigned), unsigned_(value) {}  // NOLINT
  LogValue(double value) : kind_(Kind::kDouble), double_(value) {}  // NOLINT
  /// Writes the count; the key names the unit (`cost_ms`).
  template <class Rep, class Period>
  LogValue(std::chrono::duration<Rep, Period> value)  // NOLINT
      : kind_(Kind::kSigned), signed_(static_cast<std::int64_t>(value.count())) {}
  /// Writes `CODE: message`.
  LogValue(const absl::Status& status) : kind_(Kind::kStatus), status_(&status) {}  // NOLINT

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] std::int64_t as_signed() const { return signed_; }
  [[nodiscard]] std::uint64_t as_unsigned() const { return unsigned_; }
  [[nodiscard]] double as_double() const { return double_; }
  [[nodiscard]] const absl::Status& status() const { return *status_; }

 private:
  Kind kind_;
  std::string_view text_;
  union {
    std::int64_t signed_;
    std::uint64_t unsigned_;
    double double_;
    const absl::Status* status_;
  };
};

/// `key` is lower_snake_case and is written as it is.
struct LogField {
  std::string_view key;
  LogValue value;
};

}  // namespace dragonfly
