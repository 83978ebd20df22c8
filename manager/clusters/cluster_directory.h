#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/single_flight.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "manager/clusters/cluster_snapshot.h"
#include "manager/database/database.h"

namespace dragonfly::manager {

struct ClusterDirectoryOptions {
  /// How old a snapshot may get. Writes of this process show at once; this is for writes of others.
  Duration snapshot_ttl = std::chrono::seconds(5);
};

/// Clusters and their members: reads from a snapshot, writes through to the database. A database
/// that does not answer is noticed by writers; readers go on with what was known. Runs on: one
/// executor.
class ClusterDirectory {
 public:
  /// References outlive this. Stop() before the end.
  ClusterDirectory(asio::any_io_executor executor, ClusterDirectoryOptions options,
                   Database& database, BlockingPool& db, const Clock& clock, Logger log);

  /// The state of things, never null. Fails only when the database has never answered.
  Awaitable<absl::StatusOr<std::shared_ptr<const ClusterSnapshot>>> Snapshot();

  Awaitable<absl::StatusOr<Scheduler>> Register(SchedulerRegistration registration);
  Awaitable<absl::StatusOr<SeedPeer>> Register(SeedPeerRegistration registration);
  Awaitable<absl::Status> DeleteSeedPeer(MemberKey key);

  enum class Kind : std::uint8_t { kScheduler, kSeedPeer };
  /// The member lives now. NotFound "record not found" when it is not registered.
  Awaitable<absl::Status> KeepAlive(Kind kind, MemberKey key);
  Awaitable<absl::Status> Deactivate(Kind kind, MemberKey key);

  /// The next Snapshot() reads the database.
  void Invalidate() { loaded_at_.reset(); }

  Awaitable<> Stop() { return group_.Stop(); }

 private:
  class Write;
  using Shared = std::shared_ptr<const ClusterSnapshot>;

  Awaitable<absl::StatusOr<Shared>> Load();
  [[nodiscard]] bool fresh() const;

  const ClusterDirectoryOptions options_;
  Database& database_;
  BlockingPool& db_;
  const Clock& clock_;
  const Logger log_;

  Shared snapshot_;
  std::optional<SteadyTime> loaded_at_;
  /// Goes up with every invalidating write, so that a load which began before it does not count.
  std::uint64_t writes_ = 0;

  TaskGroup group_;
  SingleFlight<std::uint64_t, absl::StatusOr<Shared>> loads_;
};

}  // namespace dragonfly::manager
