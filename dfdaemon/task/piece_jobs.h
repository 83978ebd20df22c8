#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/transfer/piece_fetcher.h"

namespace dragonfly::dfdaemon {

// Getting one piece and committing it. These run on executors of the `data` runtime.

/// Bytes of a piece so far, for whoever watches from another thread.
struct PieceProgress {
  std::atomic<std::uint64_t> bytes{0};
};

/// What a committed piece came with.
struct GotPiece {
  PieceRecord record;
  bool verified = true;  ///< False when the parent sent no checksum.
};

/// Fetches the piece from `parent` and commits it. Errors are those of PieceFetcher::Fetch and
/// PieceWriter::Commit. The writer is gone when this returns.
Awaitable<absl::StatusOr<GotPiece>> GetFromParent(PieceFetcher& fetcher, const Clock& clock,
                                                  VortexAddress parent, PeerId parent_id,
                                                  TaskKind kind, TaskId id,
                                                  std::unique_ptr<PieceWriter> writer,
                                                  std::shared_ptr<PieceProgress> progress);

/// The same from the source.
Awaitable<absl::StatusOr<GotPiece>> GetFromSource(Source& source, const Clock& clock,
                                                  SourceRequest request,
                                                  std::uint64_t content_length,
                                                  std::unique_ptr<PieceWriter> writer,
                                                  std::shared_ptr<PieceProgress> progress);

/// Commits the pieces of a content that was read before its length was known. Blocks.
[[nodiscard]] absl::Status CommitSpooledBlocking(SpooledContent& content, const Clock& clock,
                                                 StoredTask& stored);

/// Reads the whole object once and commits each piece that nobody has or writes.
Awaitable<absl::Status> GetAllFromSource(Source& source, const Clock& clock, SourceRequest request,
                                         std::shared_ptr<StoredTask> stored,
                                         std::shared_ptr<PieceProgress> progress);

}  // namespace dragonfly::dfdaemon
