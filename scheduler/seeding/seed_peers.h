#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/log/logger.h"
#include "scheduler/cluster/seed_peer_client.h"
#include "scheduler/selection/seed_trigger.h"
#include "scheduler/swarm/host_table.h"

namespace dragonfly::scheduler {

/// The seed peers of the cluster: which of them live, which one a task belongs to, and the
/// downloads that they were asked for.
///
/// A seed peer joins the ring the moment it announces itself and leaves it when it says so, when a
/// health check fails or when a download cannot reach it; a later check brings it back. So the ring
/// works from the first second, and everybody's ring is the same as long as all seed peers live.
///
/// Thread-safe, except Start() and Stop().
class SeedPeers {
 public:
  struct Options {
    /// Off: the ring stays empty, so that peers read the source themselves.
    bool enabled = true;
    Duration refresh_interval = std::chrono::seconds(30);
    Duration health_timeout = std::chrono::seconds(2);
    /// Seed peers asked one after the other when they cannot be reached.
    std::size_t attempts = 3;
  };
  using OnEnd = absl::AnyInvocable<void(absl::StatusOr<SeedOutcome>)>;

  /// `hosts` and `client` outlive Stop(). Checks and downloads run on `executor` (serial).
  SeedPeers(const Options& options, const HostTable& hosts, SeedPeerClient& client,
            asio::any_io_executor executor, Logger log);
  ~SeedPeers();

  /// Begins the periodic health checks.
  void Start();
  /// Cancels checks and downloads; their OnEnd is told Cancelled. Also before Start(), more than
  /// once.
  Awaitable<> Stop();

  /// A host that is no super seed is ignored (and removed, if it was one).
  void HostAnnounced(const HostInfo& host);
  void HostLeft(const HostId& host);

  /// Whether the ring has a member.
  [[nodiscard]] bool HasAvailable() const;
  /// The owner first, then those who would follow it, at most `options.attempts`; may be empty.
  [[nodiscard]] std::vector<std::string> AddressesFor(const TaskId& task) const;

  /// Asks the task's owner, or those after it when it cannot be reached. `on_end` is called once,
  /// on the executor. FailedPrecondition when nobody is there, Unavailable when nobody could be
  /// reached, else the seed peer's own answer.
  void Trigger(SeedRequest request, OnEnd on_end);

 private:
  struct Member {
    std::string address;
    bool healthy = true;
  };
  class Ring;

  class Ending;

  Awaitable<> RefreshForEver();
  Awaitable<> Check(std::string address);
  Awaitable<> Seed(SeedRequest request, Ending ending);
  void SetHealthy(const std::string& address, bool healthy);
  void Rebuild() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const HostTable& hosts_;
  SeedPeerClient& client_;
  const Logger log_;

  mutable Mutex mutex_;
  absl::flat_hash_map<HostId, Member> members_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Ring> ring_ ABSL_GUARDED_BY(mutex_);

  TaskGroup tasks_;
};

/// `ip:port`, with brackets for IPv6.
[[nodiscard]] std::string SeedAddress(const HostInfo& host);

}  // namespace dragonfly::scheduler
