#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
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

/// Where a piece goes that a parent is asked for. Several parents may be asked for the same piece;
/// whoever begins to send it first brings it.
class PieceSink {
 public:
  virtual ~PieceSink() = default;

  [[nodiscard]] virtual PieceNumber number() const = 0;
  [[nodiscard]] virtual std::uint64_t offset() const = 0;  ///< Of the piece in the content, bytes.
  [[nodiscard]] virtual std::uint64_t length() const = 0;  ///< Bytes.

  /// The parent begins to send the piece as planned, and promises that checksum. Null when another
  /// one brings it. Called at most once per Fetch(), on the executor of the fetch; the writer lives
  /// until Fetch() returns.
  virtual PieceWriter* Begin(std::optional<std::uint32_t> promised_crc32) = 0;
};

/// Gets one piece from one parent. One instance per daemon; runs on executors of the `data`
/// runtime, keeps connections to each parent open for many pieces where the parent allows it.
class PieceFetcher {
 public:
  virtual ~PieceFetcher() = default;

  /// Fills the writer of `sink` with the piece from its first byte on and checks number, offset,
  /// length and checksum against the plan; does not commit. Best called on an executor of the
  /// `data` runtime: the piece is received there. Waits for the download limiter; counts received
  /// bytes.
  ///
  /// NotFound: the parent does not have it, or it stopped coming to the parent. Unavailable: could
  /// not connect, or the connection broke. DataLoss: wrong bytes or a header that contradicts the
  /// plan (the parent lies; block it). DeadlineExceeded: `piece_timeout` (connect to metadata) or
  /// `write_timeout` (body) passed. InvalidArgument: the address is none, or the task id does not
  /// fit a request. Cancelled: `sink` did not want it any more. What PieceWriter::Append() returns
  /// (ResourceExhausted, Internal) is this node's disk, not the parent.
  ///
  /// When it ends early, cancelled or not, the parent is told by a reset, so that it does not go on
  /// sending what nobody reads.
  virtual Awaitable<absl::StatusOr<FetchedPiece>> Fetch(VortexAddress parent, TaskKind kind,
                                                        TaskId task, PieceSink& sink) = 0;
};

}  // namespace dragonfly::dfdaemon
