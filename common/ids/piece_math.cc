#include "common/ids/piece_math.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/status/status.h"
#include "common/base/check.h"

namespace dragonfly {

// Formula: dragonfly-client/src/resource/piece.rs, client v1.2.0. Its floating point agrees with
// integers here: it could differ only far above the contents that have the longest pieces anyway.
std::uint64_t PieceLengthFor(std::uint64_t content_length) {
  constexpr std::uint64_t kWantedPieces = 500;
  const std::uint64_t wanted = content_length / kWantedPieces;
  if (wanted >= kMaxPieceLength) return kMaxPieceLength;
  return std::max(kMinPieceLength, std::bit_ceil(wanted));
}

std::uint64_t PieceCount(std::uint64_t content_length, std::uint64_t piece_length) {
  DF_CHECK(piece_length > 0);
  return content_length / piece_length + (content_length % piece_length != 0 ? 1 : 0);
}

absl::StatusOr<PieceLayout> PieceLayout::Create(std::uint64_t content_length,
                                                std::uint64_t piece_length) {
  if (piece_length == 0) return absl::InvalidArgumentError("piece length is 0");
  const std::uint64_t count = PieceCount(content_length, piece_length);
  if (count > std::numeric_limits<std::uint32_t>::max()) {
    return absl::InvalidArgumentError("piece length is too small for the content length");
  }
  PieceLayout layout;
  layout.content_length_ = content_length;
  layout.piece_length_ = piece_length;
  layout.piece_count_ = static_cast<std::uint32_t>(count);
  return layout;
}

PieceSpan PieceLayout::At(PieceNumber number) const {
  DF_DCHECK(number < piece_count_);
  const std::uint64_t offset = number * piece_length_;
  return {number, offset, std::min(piece_length_, content_length_ - offset)};
}

PieceNumber PieceLayout::NumberAt(std::uint64_t offset) const {
  DF_DCHECK(offset < content_length_);
  return static_cast<PieceNumber>(offset / piece_length_);
}

absl::StatusOr<PieceLayout::Run> PieceLayout::Interested(
    const std::optional<ByteRange>& range) const {
  if (piece_count_ == 0) return Run{};
  if (!range.has_value()) return Run{0, piece_count_};
  if (range->length == 0) return absl::InvalidArgumentError("range of length 0");
  const std::uint64_t first = range->start / piece_length_;
  if (first >= piece_count_) return absl::InvalidArgumentError("range begins behind the content");
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t last_byte =
      range->length - 1 > kMax - range->start ? kMax : range->start + (range->length - 1);
  const std::uint64_t last =
      std::min<std::uint64_t>(last_byte / piece_length_, piece_count_ - 1);
  return Run{static_cast<PieceNumber>(first), static_cast<std::uint32_t>(last - first + 1)};
}

}  // namespace dragonfly
