#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "common/async/runtime.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/ratelimit/rate_limiter.h"
#include "dfdaemon/transfer/piece_fetcher.h"
#include "dfdaemon/transfer/transfer_metrics.h"

namespace dragonfly::dfdaemon {

struct VortexFetcherOptions {
  Duration connect_timeout = std::chrono::seconds(2);
  Duration piece_timeout = std::chrono::seconds(360);  ///< download.pieceTimeout
  Duration write_timeout = std::chrono::seconds(360);  ///< storage.writePieceTimeout
  bool tcp_fastopen = false;                           ///< storage.server.tcpFastopen
  /// Of the one buffer per executor through which all pieces go. It should fit the second cache.
  std::size_t buffer_bytes = 256 * kKiB;
  /// A connection is read only when so many bytes are there, to move much at a time.
  std::size_t low_water_bytes = 128 * kKiB;
  std::size_t receive_buffer_bytes = 0;  ///< SO_RCVBUF; 0: the kernel adapts it, up to tcp_rmem.
  std::size_t max_idle_per_parent = 16;  ///< Per executor.
  std::size_t max_idle = 256;            ///< Per executor.
  Duration idle_timeout = std::chrono::seconds(30);  ///< Shorter than that of a server.
};

/// PieceFetcher by Vortex over TCP. Every executor of the `data` runtime has its own connections
/// and one buffer: a piece that waits holds no memory here, its bytes are in the socket. A call
/// from elsewhere is taken to an executor of `data`.
class VortexPieceFetcher final : public PieceFetcher {
 public:
  /// `download` limits the bytes of pieces received. All of it outlives the fetcher.
  VortexPieceFetcher(VortexFetcherOptions options, RateLimiter& download, TransferMetrics& metrics,
                     Runtime& data);
  /// After Stop(), if anything was fetched.
  ~VortexPieceFetcher() override;

  Awaitable<absl::StatusOr<FetchedPiece>> Fetch(VortexAddress parent, TaskKind kind, TaskId task,
                                                PieceSink& sink) override;

  /// Closes idle connections; no Fetch() may be under way.
  Awaitable<> Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dragonfly::dfdaemon
