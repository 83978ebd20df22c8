#include "common/net/range.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

std::string_view Trim(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoreCase(std::string_view text, std::string_view lower_case) {
  return std::equal(text.begin(), text.end(), lower_case.begin(), lower_case.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

// Digits only. Numbers that do not fit are cut to the largest one: no content is that long.
std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value = value > (kMax - digit) / 10 ? kMax : value * 10 + digit;
  }
  return value;
}

absl::Status Malformed() { return absl::InvalidArgumentError("malformed Range header"); }

absl::StatusOr<RangeSpec> ParseSpec(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return Malformed();
  const std::string_view before = Trim(text.substr(0, dash));
  const std::string_view after = Trim(text.substr(dash + 1));
  RangeSpec spec;
  if (before.empty()) {
    spec.suffix_length = ParseNumber(after);
    if (!spec.suffix_length.has_value()) return Malformed();
    return spec;
  }
  spec.first = ParseNumber(before);
  if (!spec.first.has_value()) return Malformed();
  if (!after.empty()) {
    spec.last = ParseNumber(after);
    if (!spec.last.has_value() || *spec.last < *spec.first) return Malformed();
  }
  return spec;
}

absl::StatusOr<std::vector<RangeSpec>> ParseSpecs(std::string_view value) {
  if (value.size() > kMaxRangeHeaderBytes) {
    return absl::InvalidArgumentError("Range header is too long");
  }
  value = Trim(value);
  const std::size_t equals = value.find('=');
  if (equals == std::string_view::npos || !EqualsIgnoreCase(Trim(value.substr(0, equals)), "bytes")) {
    return Malformed();
  }
  value.remove_prefix(equals + 1);
  std::vector<RangeSpec> specs;
  while (true) {
    const std::size_t comma = value.find(',');
    if (specs.size() == kMaxRangesInHeader) {
      return absl::InvalidArgumentError("too many ranges in a Range header");
    }
    ASSIGN_OR_RETURN(RangeSpec spec, ParseSpec(Trim(value.substr(0, comma))));
    specs.push_back(spec);
    if (comma == std::string_view::npos) return specs;
    value.remove_prefix(comma + 1);
  }
}

}  // namespace

std::optional<ByteRange> ResolveRange(const RangeSpec& spec, std::uint64_t content_length) {
  if (content_length == 0) return std::nullopt;
  if (spec.suffix_length.has_value()) {
    const std::uint64_t length = std::min(*spec.suffix_length, content_length);
    if (length == 0) return std::nullopt;
    return ByteRange{content_length - length, length};
  }
  if (!spec.first.has_value() || *spec.first >= content_length) return std::nullopt;
  const std::uint64_t last = std::min(spec.last.value_or(content_length - 1), content_length - 1);
  if (last < *spec.first) return std::nullopt;
  return ByteRange{*spec.first, last - *spec.first + 1};
}

absl::StatusOr<RangeSpec> ParseFirstRange(std::string_view value) {
  ASSIGN_OR_RETURN(const std::vector<RangeSpec> specs, ParseSpecs(value));
  return specs.front();
}

absl::StatusOr<ByteRange> ParseRangeHeader(std::string_view value, std::uint64_t content_length) {
  ASSIGN_OR_RETURN(const std::vector<RangeSpec> specs, ParseSpecs(value));
  for (const RangeSpec& spec : specs) {
    if (const std::optional<ByteRange> range = ResolveRange(spec, content_length)) return *range;
  }
  return absl::OutOfRangeError(StrCat("no range within ", content_length, " bytes"));
}

std::string FormatRangeHeader(const ByteRange& range) {
  return StrCat("bytes=", range.start, "-", range.start + range.length - 1);
}

absl::StatusOr<ContentRange> ParseContentRange(std::string_view value) {
  const absl::Status malformed = absl::InvalidArgumentError("malformed Content-Range header");
  if (value.size() > kMaxRangeHeaderBytes) return malformed;
  value = Trim(value);
  const std::size_t blank = value.find_first_of(" \t");
  const std::size_t slash = value.find('/');
  if (blank == std::string_view::npos || slash == std::string_view::npos || slash < blank ||
      !EqualsIgnoreCase(value.substr(0, blank), "bytes")) {
    return malformed;
  }
  const std::string_view interval = Trim(value.substr(blank, slash - blank));
  const std::string_view total = Trim(value.substr(slash + 1));
  ContentRange result;
  if (total != "*") {
    result.total = ParseNumber(total);
    if (!result.total.has_value()) return malformed;
  }
  if (interval == "*") {
    if (!result.total.has_value()) return malformed;
    return result;
  }
  const std::size_t dash = interval.find('-');
  if (dash == std::string_view::npos) return malformed;
  const std::optional<std::uint64_t> first = ParseNumber(interval.substr(0, dash));
  const std::optional<std::uint64_t> last = ParseNumber(interval.substr(dash + 1));
  // The largest number is kept out so that length and end can be computed without overflow.
  if (!first.has_value() || !last.has_value() || *last < *first ||
      *last == std::numeric_limits<std::uint64_t>::max() ||
      (result.total.has_value() && *last >= *result.total)) {
    return malformed;
  }
  result.range = ByteRange{*first, *last - *first + 1};
  return result;
}

std::string FormatContentRange(const ByteRange& range, std::uint64_t total) {
  return StrCat("bytes ", range.start, "-", range.start + range.length - 1, "/", total);
}

}  // namespace dragonfly
