#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "absl/functional/any_invocable.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "scheduler/seeding/seed_peers.h"
#include "scheduler/selection/dispatcher.h"

namespace dragonfly::scheduler {

class PeerStream;

/// One shard: a Dispatcher on its executor, the queue of what it has to look at, and its clock.
///
/// The queue holds conversations, not messages: a conversation with ten new piece reports stands in
/// it once. Conversations with anything else than piece reports go first, so that a storm of
/// reports delays a registration by a few hundred reports at most. Reports alone wake the shard
/// once a millisecond at most: in a storm, waking it for every few of them costs more than they do.
///
/// Thread-safe but for what says otherwise.
class Shard final : public SeedTrigger, public std::enable_shared_from_this<Shard> {
 public:
  using Work = absl::AnyInvocable<void(Dispatcher& dispatcher, SteadyTime now)>;
  enum class Urgency : std::uint8_t { kReports, kControl };

  /// `collaborators.seeds` is replaced by this shard, which asks `seeds`.
  Shard(asio::any_io_executor executor, const Dispatcher::Options& options,
        const Dispatcher::Collaborators& collaborators, SeedPeers& seeds, const Clock& clock);
  ~Shard() override;

  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }

  /// `stream` has something for PeerStream::Drain().
  void Ready(std::shared_ptr<PeerStream> stream, Urgency urgency);
  /// Runs `work` on the executor soon, before any conversation.
  void Post(Work work);
  /// One round of the peer collector, in portions.
  void SweepPeers();

  /// Drops the queue and stops the timer; nothing runs afterwards.
  Awaitable<> Stop();

  /// Only on the executor, and only between queue runs, as coroutines there are.
  [[nodiscard]] Dispatcher& dispatcher() { return dispatcher_; }

  // SeedTrigger, on the executor.
  [[nodiscard]] bool HasAvailable() const override { return seeds_.HasAvailable(); }
  void Trigger(SeedRequest request) override;

 private:
  struct Queue {
    std::vector<Work> works;
    std::vector<std::shared_ptr<PeerStream>> control;
    std::deque<std::shared_ptr<PeerStream>> reports;
    bool scheduled = false;
    bool ticking = false;  // Reports wait for tick_.
    bool stopped = false;
  };

  [[nodiscard]] static Dispatcher::Collaborators WithSeeds(const Dispatcher::Collaborators& given,
                                                           SeedTrigger& seeds);
  void ScheduleLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();
  /// Lets reports that come from now on wait a moment for each other.
  void StartTick();
  void Tick();
  void SweepPortion(Swarm::Cursor cursor);
  void SetTimer();
  Awaitable<> StopHere();

  const asio::any_io_executor executor_;
  const Clock& clock_;
  SeedPeers& seeds_;

  Mutex mutex_;
  Queue queue_ ABSL_GUARDED_BY(mutex_);

  // Only on the executor.
  Dispatcher dispatcher_;
  asio::steady_timer tick_;
  asio::steady_timer timer_;
  SteadyTime timer_at_ = SteadyTime::max();
  bool sweeping_ = false;
  bool stopped_ = false;
};

}  // namespace dragonfly::scheduler
