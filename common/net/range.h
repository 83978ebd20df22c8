#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/types.h"

namespace dragonfly {

/// Longest Range or Content-Range value that is looked at, and most ranges in one value.
inline constexpr std::size_t kMaxRangeHeaderBytes = 4096;
inline constexpr std::size_t kMaxRangesInHeader = 64;

/// The first satisfiable range of an HTTP Range value (`bytes=a-b`, `bytes=a-`, `bytes=-n`, several
/// with commas), cut at `content_length` bytes; its length is never 0. InvalidArgument: not a range
/// header. OutOfRange: well-formed, but no range of it touches the content.
[[nodiscard]] absl::StatusOr<ByteRange> ParseRangeHeader(std::string_view value,
                                                         std::uint64_t content_length);

/// A Range value as such, for callers that do not know the length yet: start and, unless open, the
/// last byte; or the number of bytes from the end.
struct RangeSpec {
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;
  std::optional<std::uint64_t> suffix_length;

  friend bool operator==(const RangeSpec&, const RangeSpec&) = default;
};

/// The range of `spec` in a content of that length; nothing when it is not satisfiable.
[[nodiscard]] std::optional<ByteRange> ResolveRange(const RangeSpec& spec,
                                                    std::uint64_t content_length);

/// The first range of a Range value. InvalidArgument when any part of the value is malformed.
[[nodiscard]] absl::StatusOr<RangeSpec> ParseFirstRange(std::string_view value);

/// `bytes=a-b` for a range of at least one byte.
[[nodiscard]] std::string FormatRangeHeader(const ByteRange& range);

struct ContentRange {
  /// Absent in `bytes */total`, the answer to an unsatisfiable request.
  std::optional<ByteRange> range;
  /// Absent in `bytes a-b/*`.
  std::optional<std::uint64_t> total;

  friend bool operator==(const ContentRange&, const ContentRange&) = default;
};

/// An HTTP Content-Range value in bytes. InvalidArgument also when the range ends behind the total.
[[nodiscard]] absl::StatusOr<ContentRange> ParseContentRange(std::string_view value);

/// `bytes a-b/total` for a range of at least one byte.
[[nodiscard]] std::string FormatContentRange(const ByteRange& range, std::uint64_t total);

}  // namespace dragonfly
