#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/async/blocking_pool.h"
#include "common/log/logger.h"
#include "common/redis/connection.h"
#include "scheduler/store/state_store.h"

namespace dragonfly::scheduler {

/// State in three hashes of Redis, of hosts, tasks and peers: docs/formats/scheduler-state.md. Each
/// scheduler of a cluster has its own, so nobody overwrites what another one knows.
class RedisStore final : public StateStore {
 public:
  struct Options {
    redis::Options redis;
    std::uint64_t scheduler_cluster_id = 1;
    /// The scheduler's, the same after a restart: `hostname:port`.
    std::string name;
    /// What nobody writes to for so long belongs to a scheduler that will not come back.
    Duration expiry = std::chrono::hours(24 * 7);
  };

  RedisStore(Options options, Logger log);
  ~RedisStore() override;

  Awaitable<absl::Status> Load(Sink sink) override;
  Awaitable<absl::Status> Save(const StateChanges& changes) override;

  /// The keys, for tests and documents.
  [[nodiscard]] std::string HostsKey() const { return KeyOf("standard-hosts"); }
  [[nodiscard]] std::string TasksKey() const { return KeyOf("standard-tasks"); }
  [[nodiscard]] std::string PeersKey() const { return KeyOf("standard-peers"); }

 private:
  [[nodiscard]] std::string KeyOf(std::string_view kind) const;

  // On the pool's thread.
  absl::StatusOr<redis::Connection*> Connected();
  absl::Status LoadHere(const Sink& sink);
  absl::Status SaveHere(const StateChanges& changes);
  /// Calls `take(text)` for every value of a hash, page by page.
  template <class Take>
  absl::Status ForEach(redis::Connection& connection, const std::string& key, const Sink& sink,
                       const Take& take);

  const Options options_;
  const Logger log_;
  std::unique_ptr<redis::Connection> connection_;
  BlockingPool thread_{1};
};

}  // namespace dragonfly::scheduler
