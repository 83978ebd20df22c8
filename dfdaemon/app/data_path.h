#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/http/client.h"
#include "common/ratelimit/rate_limiter.h"
#include "dfdaemon/app/core.h"
#include "dfdaemon/source/http_source.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/transfer/vortex_piece_fetcher.h"
#include "dfdaemon/transfer/vortex_server.h"

namespace dragonfly::dfdaemon {

/// What moves bytes: storage, sources, pieces from and to other daemons, and the limits on them.
class DataPath {
 public:
  /// Opens the storage and serves pieces from now on. Blocks. Errors name directory or address.
  static absl::StatusOr<std::unique_ptr<DataPath>> Start(Core& core);
  /// After Stop().
  ~DataPath() = default;

  [[nodiscard]] Storage& storage() { return *storage_; }
  [[nodiscard]] Source& source() { return source_; }
  [[nodiscard]] PieceFetcher& fetcher() { return fetcher_; }
  [[nodiscard]] HttpClient& http() { return http_; }
  [[nodiscard]] RateLimiter& upload_limit() { return upload_limit_; }
  [[nodiscard]] RateLimiter& prefetch_limit() { return prefetch_limit_; }
  /// Where other daemons ask for pieces.
  [[nodiscard]] std::uint16_t vortex_port() const { return vortex_server_.port(); }

  /// Nothing may be fetched any more.
  Awaitable<> Stop();

 private:
  DataPath(Core& core, std::unique_ptr<Storage> storage);

  const std::unique_ptr<Storage> storage_;
  std::shared_ptr<void> disk_gauges_;
  RateLimiter download_limit_;
  RateLimiter back_to_source_limit_;
  RateLimiter upload_limit_;
  RateLimiter prefetch_limit_;
  HttpClient http_;
  HttpSource source_;
  VortexPieceFetcher fetcher_;
  VortexServer vortex_server_;
};

}  // namespace dragonfly::dfdaemon
