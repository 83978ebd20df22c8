#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/server.h>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/base/clock.h"
#include "common/rpc/calls.h"
#include "common/rpc/tls.h"

namespace dragonfly::rpc {

struct ServerOptions {
  /// "0.0.0.0:4000", "[::]:4000", "127.0.0.1:0" (port 0: any, see Server::port()) or
  /// "unix:/run/x.sock". Unix sockets never use TLS.
  std::vector<std::string> listen;
  std::optional<TlsFiles> tls;
  /// Clients may ping this often, also without calls; Rust clients do so every 300 s.
  Duration min_ping_interval = std::chrono::seconds(10);
  /// Own pings, so that a host that vanished is noticed on a silent stream.
  Duration keepalive_time = std::chrono::seconds(60);
  Duration keepalive_timeout = std::chrono::seconds(20);
  /// Go's servers: 10 min, 12 h, 5 min.
  std::optional<Duration> max_connection_idle;
  std::optional<Duration> max_connection_age;
  std::optional<Duration> max_connection_age_grace;
};

/// A gRPC server with health service ("" is SERVING from the first moment) and reflection, without
/// limits on message sizes. It does not enforce deadlines that clients send: ServeUnary does that,
/// and streams have none, because Rust clients mean by it the time until the response headers.
///
/// A unix socket gets its parent folder and mode 0777, a stale one is replaced, and it is removed at
/// the end. Thread-safe.
class Server {
 public:
  /// Services and `calls` outlive the server; use one Calls per server. Errors name the address or
  /// the file: FailedPrecondition when an address is taken, InvalidArgument, NotFound. Blocks.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const std::vector<grpc::Service*>& services,
                                                       Calls& calls);
  /// Drain() first. Without it the calls are cancelled and awaited here, so never on a thread that
  /// runs handlers.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// The bound port of `options.listen[index]`; 0 for a unix socket.
  [[nodiscard]] int port(std::size_t index = 0) const { return ports_[index]; }

  /// Answers health checks for `service` from now on.
  void SetServing(std::string_view service, bool serving);

  /// Stops listening, lets calls end for `grace`, cancels the rest and returns when none is open.
  /// Once; from any executor. Calls are told by Unavailable.
  Awaitable<> Drain(Duration grace);

 private:
  explicit Server(Calls& calls) : calls_(calls), blocking_(1) {}
  void StopBlocking(Duration grace);

  Calls& calls_;
  std::vector<int> ports_;
  std::unique_ptr<grpc::Server> server_;
  bool stopped_ = false;
  BlockingPool blocking_;
};

}  // namespace dragonfly::rpc
