#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dfdaemon/source/origin_sink.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {

/// Wants only the head; asks for one byte, because a GET that asks for a range shows whether the
/// origin has ranges and tells the length without sending the content.
class StatSink final : public OriginSink {
 public:
  StatSink(const std::vector<RateLimiter*>& limiters, bool with_range)
      : OriginSink(limiters), with_range_(with_range) {}

  [[nodiscard]] std::optional<ByteRange> NextRange() const override;

 private:
  absl::Status Accept(const HttpClientResponse& head) override;
  absl::Status Take(std::span<const std::byte> /*bytes*/) override { return absl::OkStatus(); }

  const bool with_range_;
};

/// Bytes of one piece, from where its writer stands.
class PieceSink final : public OriginSink {
 public:
  PieceSink(const std::vector<RateLimiter*>& limiters, std::uint64_t total, std::string etag,
            PieceWriter& writer)
      : OriginSink(limiters), total_(total), etag_(std::move(etag)), writer_(writer) {}

  [[nodiscard]] std::optional<ByteRange> NextRange() const override;
  [[nodiscard]] absl::Status Complete() const override;
  [[nodiscard]] bool IsFull() const override { return writer_.written() == writer_.length(); }

 private:
  absl::Status Accept(const HttpClientResponse& head) override;
  absl::Status Take(std::span<const std::byte> bytes) override;

  const std::uint64_t total_;
  std::string etag_;
  PieceWriter& writer_;
};

/// The whole content, cut into pieces. After a failure half-way it skips what it has handed on.
class SequenceSink final : public OriginSink {
 public:
  SequenceSink(const std::vector<RateLimiter*>& limiters, std::uint64_t total,
               std::uint64_t piece_length, std::string etag, PieceSequence& pieces)
      : OriginSink(limiters),
        total_(total),
        piece_length_(piece_length),
        etag_(std::move(etag)),
        pieces_(pieces) {}

  [[nodiscard]] absl::Status Complete() const override;
  [[nodiscard]] bool IsFull() const override { return position_ == total_; }

 private:
  absl::Status Accept(const HttpClientResponse& head) override;
  absl::Status Take(std::span<const std::byte> bytes) override;

  const std::uint64_t total_;
  const std::uint64_t piece_length_;
  std::string etag_;
  std::string last_modified_;
  PieceSequence& pieces_;
  std::uint64_t position_ = 0;  // Handed on.
  std::uint64_t skip_ = 0;      // Of this answer, because they were handed on before.
  PieceWriter* writer_ = nullptr;
};

/// Hands the next bytes of a content of `total` bytes at `position` to `pieces`, with Begin and End
/// where pieces begin and end; `writer` is the current one between calls. Returns how many bytes were
/// taken, fewer than given only at the end of a piece or of the content.
absl::StatusOr<std::size_t> PutIntoPieces(std::span<const std::byte> bytes, std::uint64_t position,
                                          std::uint64_t total, std::uint64_t piece_length,
                                          PieceSequence& pieces, PieceWriter*& writer);

}  // namespace dragonfly::dfdaemon
