#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "common/base/types.h"

namespace dragonfly {

inline constexpr std::uint64_t kMinPieceLength = 4 * kMiB;
inline constexpr std::uint64_t kMaxPieceLength = 64 * kMiB;

/// Piece length in bytes of a content whose request names none: the power of two that makes about
/// 500 pieces, within [kMinPieceLength, kMaxPieceLength].
[[nodiscard]] std::uint64_t PieceLengthFor(std::uint64_t content_length);

/// Number of pieces; 0 for an empty content. `piece_length` must not be 0. Computed without rounding,
/// where the original loses the last bytes of contents above 2^53 bytes.
[[nodiscard]] std::uint64_t PieceCount(std::uint64_t content_length, std::uint64_t piece_length);

/// Where a piece lies; the last one is cut at the end of the content.
struct PieceSpan {
  PieceNumber number = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  friend bool operator==(const PieceSpan&, const PieceSpan&) = default;
};

/// The cut of one content into pieces. A value; holds no list.
class PieceLayout {
 public:
  PieceLayout() = default;
  /// InvalidArgument for a piece length of 0 and for more pieces than a piece number can count.
  [[nodiscard]] static absl::StatusOr<PieceLayout> Create(std::uint64_t content_length,
                                                          std::uint64_t piece_length);

  [[nodiscard]] std::uint64_t content_length() const { return content_length_; }
  [[nodiscard]] std::uint64_t piece_length() const { return piece_length_; }
  [[nodiscard]] std::uint32_t piece_count() const { return piece_count_; }

  /// `number` must be below piece_count().
  [[nodiscard]] PieceSpan At(PieceNumber number) const;
  /// The piece that holds the byte at `offset`, which must be below content_length().
  [[nodiscard]] PieceNumber NumberAt(std::uint64_t offset) const;

  /// A run of pieces: numbers in [first, first + count).
  struct Run {
    PieceNumber first = 0;
    std::uint32_t count = 0;

    friend bool operator==(const Run&, const Run&) = default;
  };

  /// The pieces that `range` touches, all of them without a range; always whole pieces, a reader
  /// cuts. InvalidArgument for a range of length 0 or one that begins behind the nominal end, which
  /// is piece_count() * piece_length(): as in the original, a range that begins between the end of
  /// the content and there gives the last piece. An empty content has no pieces whatever the range.
  [[nodiscard]] absl::StatusOr<Run> Interested(const std::optional<ByteRange>& range) const;

 private:
  std::uint64_t content_length_ = 0;
  std::uint64_t piece_length_ = kMinPieceLength;
  std::uint32_t piece_count_ = 0;
};

}  // namespace dragonfly
