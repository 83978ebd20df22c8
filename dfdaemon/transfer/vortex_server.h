#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/log/logger.h"
#include "common/ratelimit/rate_limiter.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/transfer/transfer_metrics.h"

namespace dragonfly::dfdaemon {

struct VortexServerOptions {
  std::string ip = "0.0.0.0";          ///< storage.server.ip; IPv4 or IPv6.
  std::uint16_t port = 4005;           ///< storage.server.tcpPort; 0 = any.
  bool tcp_fastopen = false;           ///< storage.server.tcpFastopen
  std::size_t max_connections = 4096;  ///< One more is closed at once; its peer asks others.
  Duration idle_timeout = std::chrono::seconds(60);  ///< Between two requests.
  Duration request_timeout =
      std::chrono::seconds(10);  ///< From a request's first to its last byte.
  /// Longest time in which a peer takes no byte of a piece.
  Duration send_timeout = std::chrono::seconds(120);
  std::size_t chunk_bytes = kMiB;     ///< Sent before it is another connection's turn.
  std::size_t send_buffer_bytes = 0;  ///< SO_SNDBUF; 0: the kernel adapts it.
};

/// Serves pieces to other daemons, by Vortex over TCP. Connections live on the executors of the
/// `data` runtime, in turn; what is not in the page cache is read on `disk` first. Everything given
/// to the constructor outlives the server.
class VortexServer {
 public:
  /// `upload` limits the bytes of pieces sent.
  VortexServer(VortexServerOptions options, Storage& storage, RateLimiter& upload,
               TransferMetrics& metrics, Logger log, Runtime& data, BlockingPool& disk);
  /// After Stop(), if Start() succeeded.
  ~VortexServer();

  /// Listens and begins to serve. Ignores SIGPIPE for the whole process: sendfile(2) can raise it,
  /// and takes no flag against it. InvalidArgument for an address that is none, Unavailable with
  /// address and reason when it cannot be bound.
  absl::Status Start();
  [[nodiscard]] std::uint16_t port() const;  ///< That it listens on, after Start().
  [[nodiscard]] std::size_t connections() const;

  /// Ends accepting, then all connections, also in the middle of a piece. From any executor.
  Awaitable<> Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dragonfly::dfdaemon
