#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "common/base/clock.h"
#include "common/http/client.h"
#include "common/log/logger.h"
#include "dfdaemon/proxy/proxy_metrics.h"
#include "dfdaemon/proxy/rules.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// The block `proxy` of dfdaemon.yaml and what belongs to it.
struct ProxyOptions {
  std::string ip = "0.0.0.0";  ///< To listen at; numeric.
  std::uint16_t port = 4001;   ///< 0 = any free one.
  /// This daemon's address, for X-Dragonfly-Server-IP.
  std::string host_ip;
  /// Paths to PEM files. With both, TLS inside CONNECT is ended here with certificates of this
  /// authority, so that rules apply to it; without them tunnels are opaque.
  std::string ca_cert_path;
  std::string ca_key_path;
  /// With both, clients must present them.
  std::string username;
  std::string password;
  std::uint64_t request_rate_limit = 4000;  ///< Per second; 429 beyond. 0 = none.
  std::size_t head_bytes_max = 512 * 1024;  ///< proxy.readBufferSize, at most 4 MiB is used.
  std::vector<ProxyRule> rules;
  std::string registry_addr = "https://index.docker.io";
  /// Path to a PEM file: certificates to trust besides the system's. Empty = none.
  std::string registry_cert_path;
  bool enable_task_id_based_blob_digest = false;
  bool disable_back_to_source = false;
  bool prefetch = false;
  std::size_t connections_max = 16'384;
  /// Limit of what waits for a first byte: containerd has none of its own.
  std::chrono::milliseconds first_byte_timeout{120'000};
  Logger log;
};

/// HTTP proxy and registry mirror. Connections live on the `data` executors.
///
/// A request goes one of four ways: GET of a URL that a rule matches (or with X-Dragonfly-Use-P2P)
/// becomes a task; CONNECT becomes a tunnel or an intercepted connection; a request of nobody known
/// is refused; everything else passes through to its origin untouched.
class Proxy {
 public:
  struct Collaborators {
    asio::any_io_executor io;  ///< Where `tasks` lives.
    Runtime& data;
    BlockingPool& disk;
    const Clock& clock;
    TaskManager& tasks;
    Storage& storage;
    Source& source;
    HttpClient& client;  ///< Made with the executors of `data`.
    ProxyMetrics& metrics;
  };

  /// Reads the PEM files (blocks). InvalidArgument or NotFound, naming key or file and the reason.
  static absl::StatusOr<std::unique_ptr<Proxy>> Create(ProxyOptions options, Collaborators with);

  /// Await Stop() first, if started.
  virtual ~Proxy() = default;
  /// Listens from now on. Unavailable when the address cannot be had.
  virtual absl::Status Start() = 0;
  /// After Start().
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// Lets running answers end for `grace`, then cuts them off.
  virtual Awaitable<> Stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace dragonfly::dfdaemon
