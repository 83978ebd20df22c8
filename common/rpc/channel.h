#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <grpcpp/channel.h>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/rpc/tls.h"

namespace dragonfly::rpc {

struct ChannelOptions {
  std::optional<TlsFiles> tls;
  /// Sent as :authority, and the name that a TLS certificate must carry. Empty: from the address.
  std::string authority;
  Duration connect_timeout = std::chrono::seconds(3);
  /// Go servers refuse clients that ping more often than every 300 s, so less counts as 300 s.
  Duration keepalive_time = std::chrono::seconds(310);
  Duration keepalive_timeout = std::chrono::seconds(20);
};

/// Connections come by themselves and come back by themselves; a call while there is none fails
/// with Unavailable after at most `connect_timeout`. No limits on message sizes; proxies of the
/// environment are not used. `address` is "host:port", "[::1]:port" or "unix:/path".
/// Make stubs with `Service::NewStub(channel)`. Errors: those of ClientTls(); blocks on its files.
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(std::string_view address,
                                                       const ChannelOptions& options = {});

/// One channel per address. Thread-safe.
class ChannelPool {
 public:
  explicit ChannelPool(ChannelOptions options, Duration idle = std::chrono::minutes(5))
      : options_(std::move(options)), idle_(idle) {}

  absl::StatusOr<std::shared_ptr<grpc::Channel>> Get(std::string_view address, SteadyTime now);

  /// Lets go of channels that nobody holds and nobody asked for during the idle time. Call it now
  /// and then.
  void Sweep(SteadyTime now);
  /// Forgets one, for example after its certificate changed.
  void Drop(std::string_view address);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::shared_ptr<grpc::Channel> channel;
    SteadyTime used;
  };

  const ChannelOptions options_;
  const Duration idle_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::rpc
