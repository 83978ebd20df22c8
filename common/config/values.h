#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragonfly {

// Texts of configuration values, flags and REST fields. All return InvalidArgument with a reason that
// fits behind "key: ".

/// Bytes by the rules of the Rust crate bytesize: a plain number of bytes, or a number (fractions
/// allowed) with a unit in any case, blanks between allowed. `KB`, `MB`, … and `k`, `m`, … are powers
/// of 1000; `KiB`, `MiB`, … and `ki`, `mi`, … of 1024; up to exa.
[[nodiscard]] absl::StatusOr<std::uint64_t> ParseByteSize(std::string_view text);
/// The largest binary unit that leaves a whole number: `10GiB`, `1500B`.
[[nodiscard]] std::string FormatByteSize(std::uint64_t bytes);

/// A duration by the rules of the Rust crate humantime: whole numbers with units, `1h 30m`, `15days`,
/// from ns to y (365.25 days); `0`.
[[nodiscard]] absl::StatusOr<std::chrono::nanoseconds> ParseHumantime(std::string_view text);
/// `1h 30m`, `300ms`, `0s`; parses to the same value.
[[nodiscard]] std::string FormatHumantime(std::chrono::nanoseconds duration);

/// A duration by the rules of Go's time.ParseDuration: `1h30m`, `1.5s`, `-2ms`, `0`.
[[nodiscard]] absl::StatusOr<std::chrono::nanoseconds> ParseGoDuration(std::string_view text);
/// As Go prints it: `1h30m0s`, `1.5s`, `300ms`, `0s`.
[[nodiscard]] std::string FormatGoDuration(std::chrono::nanoseconds duration);

/// A decimal whole number, sign allowed.
[[nodiscard]] absl::StatusOr<std::int64_t> ParseSigned(std::string_view text);
[[nodiscard]] absl::StatusOr<std::uint64_t> ParseUnsigned(std::string_view text);
/// A finite number.
[[nodiscard]] absl::StatusOr<double> ParseReal(std::string_view text);
/// YAML's words: true, false, yes, no, on, off; in lower, upper or title case.
[[nodiscard]] absl::StatusOr<bool> ParseBool(std::string_view text);
/// Whether `text` is an IPv4 or IPv6 address (no brackets, no zone).
[[nodiscard]] bool IsIpAddress(std::string_view text);

}  // namespace dragonfly
