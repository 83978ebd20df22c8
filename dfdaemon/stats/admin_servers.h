#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "dfdaemon/stats/daemon_metrics.h"

namespace dragonfly {
class HttpServer;
}

namespace dragonfly::dfdaemon {

struct AdminServersOptions {
  struct Listener {
    std::string ip = "127.0.0.1";
    std::uint16_t port = 0;
  };
  Listener health;   ///< GET /healthy: 200, always.
  Listener metrics;  ///< GET /metrics
  Listener stats;    ///< GET /debug/pprof/…
};

/// The three plain HTTP listeners for operators. They live on an executor of their own, so that
/// they answer when the others are stuck. Thread-safe.
class AdminServers {
 public:
  /// `metrics` outlives this object. Errors name the server and its address; then none listens.
  static Awaitable<absl::StatusOr<std::unique_ptr<AdminServers>>> Listen(
      AdminServersOptions options, asio::any_io_executor admin, const DaemonMetrics& metrics);
  /// Await Stop() first.
  ~AdminServers();
  AdminServers(const AdminServers&) = delete;
  AdminServers& operator=(const AdminServers&) = delete;

  [[nodiscard]] std::uint16_t health_port() const;
  [[nodiscard]] std::uint16_t metrics_port() const;
  [[nodiscard]] std::uint16_t stats_port() const;

  Awaitable<> Stop(std::chrono::milliseconds grace);

 private:
  AdminServers() = default;
  absl::Status ListenAll(const AdminServersOptions& options, const asio::any_io_executor& admin,
                         const DaemonMetrics& metrics);

  std::vector<std::unique_ptr<HttpServer>> servers_;  ///< Health, metrics, stats.
};

}  // namespace dragonfly::dfdaemon
