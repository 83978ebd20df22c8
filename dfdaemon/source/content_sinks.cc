#include "dfdaemon/source/content_sinks.h"

#include <algorithm>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/http/headers.h"
#include "dfdaemon/source/answer_check.h"

namespace dragonfly::dfdaemon {
namespace {

absl::Status EndsEarly(std::uint64_t got, std::uint64_t expected) {
  return SourceLies(
      StrCat("read source: connection closed after ", got, " of ", expected, " bytes"));
}

}  // namespace

std::optional<ByteRange> StatSink::NextRange() const {
  if (!with_range_) return std::nullopt;
  return ByteRange{0, 1};
}

absl::Status StatSink::Accept(const HttpClientResponse& head) {
  const bool success = head.status_code >= 200 && head.status_code < 300;
  if (!success && !(with_range_ && head.status_code == 416)) return StatusFailure(head);
  SetSatisfied();
  return absl::OkStatus();
}

std::optional<ByteRange> PieceSink::NextRange() const {
  return ByteRange{writer_.offset() + writer_.written(), writer_.length() - writer_.written()};
}

absl::Status PieceSink::Accept(const HttpClientResponse& head) {
  RETURN_IF_ERROR(CheckRangeAnswer(head, *NextRange(), total_));
  RETURN_IF_ERROR(CheckEtag(head, etag_));
  // A piece that is continued must be of the version it began with.
  if (etag_.empty()) etag_ = StrongEtag(head.headers);
  return absl::OkStatus();
}

absl::Status PieceSink::Take(std::span<const std::byte> bytes) {
  const std::uint64_t missing = writer_.length() - writer_.written();
  const bool whole = head().status_code != 206;
  if (bytes.size() > missing) {
    if (!whole) return SourceLies("source sends more bytes than the range has");
    bytes = bytes.first(missing);
  }
  RETURN_IF_ERROR(writer_.Append(bytes));
  // A 200 answer goes on with the pieces that follow.
  if (whole && writer_.written() == writer_.length() && writer_.length() < total_) SetSatisfied();
  return absl::OkStatus();
}

absl::Status PieceSink::Complete() const {
  if (IsFull()) return absl::OkStatus();
  return EndsEarly(writer_.written(), writer_.length());
}

absl::Status SequenceSink::Accept(const HttpClientResponse& head) {
  RETURN_IF_ERROR(CheckWholeAnswer(head, total_));
  RETURN_IF_ERROR(CheckEtag(head, etag_));
  const std::string etag = StrongEtag(head.headers);
  const std::string modified(FindHeader(head.headers, "Last-Modified").value_or(""));
  if (position_ > 0) {
    const bool same_tag = !etag.empty() && etag == etag_;
    const bool same_time = !modified.empty() && modified == last_modified_;
    if (!same_tag && !same_time) {
      return SourceLies("source closed the connection and does not show that it is unchanged");
    }
  }
  if (!etag.empty()) etag_ = etag;
  last_modified_ = modified;
  skip_ = position_;
  return absl::OkStatus();
}

absl::Status SequenceSink::Take(std::span<const std::byte> bytes) {
  const std::uint64_t skipped = std::min<std::uint64_t>(skip_, bytes.size());
  skip_ -= skipped;
  bytes = bytes.subspan(skipped);
  if (bytes.size() > total_ - position_) {
    return SourceLies(StrCat("source changed: it is longer than its length of ", total_, " bytes"));
  }
  while (!bytes.empty()) {
    ASSIGN_OR_RETURN(const std::size_t taken,
                     PutIntoPieces(bytes, position_, total_, piece_length_, pieces_, writer_));
    position_ += taken;
    bytes = bytes.subspan(taken);
  }
  return absl::OkStatus();
}

absl::Status SequenceSink::Complete() const {
  return IsFull() ? absl::OkStatus() : EndsEarly(position_, total_);
}

absl::StatusOr<std::size_t> PutIntoPieces(std::span<const std::byte> bytes, std::uint64_t position,
                                          std::uint64_t total, std::uint64_t piece_length,
                                          PieceSequence& pieces, PieceWriter*& writer) {
  const auto number = static_cast<PieceNumber>(position / piece_length);
  const std::uint64_t begin = number * piece_length;
  const std::uint64_t end = std::min(begin + piece_length, total);
  if (position == begin) writer = pieces.Begin(number);
  const std::size_t taken = std::min<std::uint64_t>(bytes.size(), end - position);
  if (writer != nullptr) RETURN_IF_ERROR(writer->Append(bytes.first(taken)));
  if (position + taken == end) {
    if (writer != nullptr) RETURN_IF_ERROR(pieces.End(number));
    writer = nullptr;
  }
  return taken;
}

}  // namespace dragonfly::dfdaemon
