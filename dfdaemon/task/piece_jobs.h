#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "dfdaemon/pacing/stream_limit.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/transfer/piece_fetcher.h"

namespace dragonfly::dfdaemon {

// Getting one piece and committing it. These run on executors of the `data` runtime.

/// Bytes that came in, for the limit on how many pieces come at once. Thread-safe.
class Downlink {
 public:
  /// `max`: pieces at once over all downloads.
  explicit Downlink(std::uint32_t max) : limit_({.max = max}) {}

  void Moved(SteadyTime now, std::uint64_t bytes);
  void Began(SteadyTime now);
  void Ended(SteadyTime now);
  /// Whether one more piece of `length` bytes should come now, when there are `more` on their way
  /// that have not begun, less those that are nearly through.
  [[nodiscard]] bool MayBegin(SteadyTime now, std::uint64_t length, int more);

 private:
  Mutex mutex_;
  StreamLimit limit_ ABSL_GUARDED_BY(mutex_);
};

/// A piece that was claimed and is asked of one or more parents, or of the source; whoever begins
/// to send first brings it. Thread-safe.
class ClaimedPiece {
 public:
  struct Taken {
    std::uint32_t ask = 0;
    SteadyTime at;
  };

  /// `began` is called on the thread that takes the piece. `passed_on`: others may have it while it
  /// comes.
  ClaimedPiece(std::unique_ptr<PieceWriter> writer, Downlink& downlink, const Clock& clock,
               std::function<void()> began, bool passed_on = true);

  [[nodiscard]] PieceNumber number() const { return number_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t length() const { return length_; }
  [[nodiscard]] bool passed_on() const { return passed_on_; }

  /// The piece begins to arrive in answer to `ask`. Null when it does already, or after Close().
  [[nodiscard]] std::unique_ptr<PieceWriter> Take(std::uint32_t ask);
  /// Gives the claim back, unless the piece was taken: false then.
  bool Close();
  [[nodiscard]] std::optional<Taken> taken() const;

  /// Bytes so far.
  [[nodiscard]] std::uint64_t received() const { return received_.load(std::memory_order_relaxed); }
  void Received(std::uint64_t bytes_so_far);

 private:
  const PieceNumber number_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
  Downlink& downlink_;
  const Clock& clock_;
  const std::function<void()> began_;
  const bool passed_on_;
  std::atomic<std::uint64_t> received_{0};
  mutable Mutex mutex_;
  std::unique_ptr<PieceWriter> writer_ ABSL_GUARDED_BY(mutex_);
  std::optional<Taken> taken_ ABSL_GUARDED_BY(mutex_);
};

/// What a committed piece came with.
struct GotPiece {
  PieceRecord record;
  bool verified = true;  ///< False when the parent sent no checksum.
};

/// Asks `parent` for the piece and commits it. Errors are those of PieceFetcher::Fetch and
/// PieceWriter::Commit. When this ask took the piece, its writer is gone when this returns.
Awaitable<absl::StatusOr<GotPiece>> GetFromParent(PieceFetcher& fetcher, const Clock& clock,
                                                  VortexAddress parent, PeerId parent_id,
                                                  TaskKind kind, TaskId id,
                                                  std::shared_ptr<ClaimedPiece> piece,
                                                  std::uint32_t ask);

/// The same from the source.
Awaitable<absl::StatusOr<GotPiece>> GetFromSource(Source& source, const Clock& clock,
                                                  SourceRequest request,
                                                  std::uint64_t content_length,
                                                  std::shared_ptr<ClaimedPiece> piece,
                                                  std::uint32_t ask);

/// Commits the pieces of a content that was read before its length was known. Blocks.
[[nodiscard]] absl::Status CommitSpooledBlocking(SpooledContent& content, const Clock& clock,
                                                 StoredTask& stored);

/// Reads the whole object once and commits each piece that nobody has or writes.
Awaitable<absl::Status> GetAllFromSource(Source& source, const Clock& clock, SourceRequest request,
                                         std::shared_ptr<StoredTask> stored);

}  // namespace dragonfly::dfdaemon
