#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/types.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// Where a parent serves Vortex over TCP.
struct VortexAddress {
  std::string ip;
  std::uint16_t port = 0;

  friend auto operator<=>(const VortexAddress&, const VortexAddress&) = default;
};

/// What a parent said with the piece.
struct FetchedPiece {
  std::uint32_t crc32 = 0;   ///< Checked against the bytes.
  bool verified = false;     ///< False when the parent sent no digest.
  PeerId parents_parent_id;  ///< Where the parent itself had it from; empty: the source.
};

/// Gets one piece from one parent. One instance per daemon; runs on executors of the `data`
/// runtime, keeps connections to each parent open for many pieces where the parent allows it.
class PieceFetcher {
 public:
  virtual ~PieceFetcher() = default;

  /// Fills `writer` with the piece from its first byte on and checks number, offset, length and
  /// checksum against the writer's plan; does not commit. Best called on an executor of the `data`
  /// runtime: the piece is received there. Waits for the download limiter; counts received bytes.
  ///
  /// NotFound: the parent does not have it. Unavailable: could not connect, or the connection
  /// broke. DataLoss: wrong bytes or a header that contradicts the plan (the parent lies; block
  /// it). DeadlineExceeded: `piece_timeout` (connect to metadata) or `write_timeout` (body) passed.
  /// InvalidArgument: the address is none, or the task id does not fit a request. What
  /// PieceWriter::Append() returns (ResourceExhausted, Internal) is this node's disk, not the
  /// parent.
  virtual Awaitable<absl::StatusOr<FetchedPiece>> Fetch(VortexAddress parent, TaskKind kind,
                                                        TaskId task, PieceWriter& writer) = 0;
};

}  // namespace dragonfly::dfdaemon
