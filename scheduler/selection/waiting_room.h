#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/log/logger.h"
#include "scheduler/cluster/dynamic_config.h"
#include "scheduler/selection/parent_finder.h"
#include "scheduler/selection/peer_channel.h"
#include "scheduler/selection/retry_loop.h"
#include "scheduler/selection/scheduling_metrics.h"

namespace dragonfly::scheduler {

/// Peers that asked for parents and have no answer yet. One per shard; pure.
///
/// A peer leaves the moment a parent can be offered, not at the next turn of a clock: everything
/// that may create parents ends in TaskChanged(). The rounds of RetryPolicy are the upper bound
/// that clients know; at its end, or when there is nobody left to wait for, a peer is sent to the
/// source. Then only one of many goes, because the others can have it as their parent a moment
/// later.
///
/// When many peers come at once, they must not all hang on the one seed, and a client asks again
/// only when its parents fail. So as many may be starting at a time as there are peers who can
/// serve: the swarm doubles with every round trip, and nearly everybody has several parents.
class WaitingRoom {
 public:
  struct Options {
    RetryPolicy retry;
    /// How long a peer that could be served waits for others to start first.
    Duration spread_patience = std::chrono::milliseconds(100);
  };
  /// Tells the swarm that a peer got no answer; returns what its conversation ends with.
  using OnFailure = std::function<absl::Status(Peer& peer, absl::Status status, SteadyTime now)>;

  WaitingRoom(const Options& options, const Evaluator& evaluator,
              const DynamicConfigSource& dynamic_config, SchedulingMetrics& metrics, Random random,
              OnFailure on_failure, Logger log);
  ~WaitingRoom();

  /// The loop of a registration or a reschedule. `channel` is told once, perhaps before this
  /// returns.
  void Enter(Peer& peer, std::shared_ptr<PeerChannel> channel, SteadyTime now);

  /// Somebody became a parent, started, failed or left, or seeding ended.
  void TaskChanged(Task& task, SteadyTime now);

  [[nodiscard]] bool IsWaiting(const Peer& peer) const { return waiters_.contains(&peer); }
  /// The peer goes away without an answer. False: it was not waiting.
  bool Dismiss(const Peer& peer, absl::Status reason, SteadyTime now);

  /// Ends the rounds that are over.
  void Advance(SteadyTime now);
  /// When Advance() has something to do next.
  [[nodiscard]] std::optional<SteadyTime> NextDeadline() const;

 private:
  struct Waiter;
  enum class Result : std::uint8_t { kSettled, kWaits };

  Result Attempt(Waiter& waiter, SteadyTime now);
  Result Serve(Waiter& waiter, SteadyTime now);
  Result SendToSource(Waiter& waiter, std::string_view description, std::string_view why,
                      SteadyTime now);
  void Settle(Waiter& waiter, absl::Status status, SteadyTime now);
  void Fail(Waiter& waiter, absl::Status status, SteadyTime now);

  void LogChoice(const Waiter& waiter) const;
  /// Whether more parents are a moment away.
  [[nodiscard]] bool WorthWaiting(Waiter& waiter, SteadyTime now) const;
  [[nodiscard]] static bool NobodyToWaitFor(const Peer& peer);
  /// Peers that trade have what they have, and nobody brings more.
  [[nodiscard]] static bool StuckTogether(const Peer& peer, SteadyTime now);
  [[nodiscard]] bool AnotherJustWent(const Waiter& waiter, SteadyTime now) const;
  void ServeWaiting(Task& task, SteadyTime now);
  void Keep(Waiter waiter);
  void SetTimer(Waiter& waiter);
  void Remove(const Peer& peer);

  const Options options_;
  const DynamicConfigSource& dynamic_config_;
  SchedulingMetrics& metrics_;
  const OnFailure on_failure_;
  const Logger log_;

  ParentFinder finder_;
  Random random_;
  absl::flat_hash_map<const Peer*, std::unique_ptr<Waiter>> waiters_;
  absl::flat_hash_map<const Task*, std::vector<Waiter*>> by_task_;  // First come, first served.
  std::set<std::pair<SteadyTime, Waiter*>> timers_;
  bool serving_ = false;
  std::vector<Task*> changed_while_serving_;
  std::vector<ParentFinder::Candidate> offered_;
};

}  // namespace dragonfly::scheduler
