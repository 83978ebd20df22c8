#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/async/notifier.h"
#include "common/async/task_group.h"
#include "dfdaemon/piece/piece_picker.h"
#include "dfdaemon/task/parent_links.h"
#include "dfdaemon/task/piece_jobs.h"
#include "dfdaemon/task/scheduler_session.h"
#include "dfdaemon/task/task_env.h"
#include "dfdaemon/task/task_events.h"

namespace dragonfly::dfdaemon {

/// One peer's part of a download: one conversation with the scheduler, and the pieces it was begun
/// for, from parents, from the source, or both. Runs on: the `io` executor.
class Round {
 public:
  struct Plan {
    PeerIdentity peer;
    DownloadRequest request;  ///< As it goes to the scheduler.
    std::shared_ptr<StoredTask> stored;
    PieceLayout layout;
    SourceRequest source;
    bool source_allowed = false;
    /// Absent when this process has not asked the source; it is asked before it is read then.
    std::optional<bool> source_has_ranges;
    bool prefetch_only = false;
    absl::flat_hash_set<HostId> avoid;  ///< Hosts whose pieces this download does not want.
    Logger log;
  };

  /// `here` is told of every piece that arrived, `lost` of every piece that is gone again.
  Round(TaskEnv& env, Plan plan, Notifier changed, std::function<void(PieceNumber)> here,
        std::function<void(PieceNumber)> lost);

  /// Pieces to get. More may come until the round has ended.
  void Want(PieceLayout::Run run);
  void WantNothing() { picker_.WantNothing(); }
  /// Another caller may read the source, when those before may not.
  void AllowSource(const SourceRequest& source);
  /// Somebody waits for the pieces: the limit on prefetching is not for them.
  void EndPrefetchOnly() { plan_.prefetch_only = false; }

  /// Takes in what happened and goes on; to be called after every notification.
  void Step(SteadyTime now);
  /// When Step() wants to be called though nothing happened.
  [[nodiscard]] SteadyTime next_step() const { return next_tick_; }

  [[nodiscard]] bool ended() const { return result_.has_value(); }
  /// OK: every wanted piece is here. Otherwise what stopped it.
  [[nodiscard]] const absl::Status& result() const { return *result_; }
  /// The error came from the source, asked on behalf of plan().source.
  [[nodiscard]] bool source_failed() const { return source_failed_; }
  [[nodiscard]] const Plan& plan() const { return plan_; }

  /// Stops transfers and streams of offers. Before Conclude() and destruction.
  Awaitable<> Stop();
  /// Tells the scheduler how it went; the conversation then ends in the background.
  void Conclude(const absl::Status& status);

  /// What runs for as long as the transfers.
  [[nodiscard]] TaskGroup& group() { return group_; }

 private:
  enum class SourceState : std::uint8_t { kOff, kProbing, kRanges, kWhole };
  struct Job {
    PieceNumber number = 0;
    std::optional<ParentSlot> parent;  // Nothing: the source.
    std::uint64_t length = 0;
    SteadyTime started;
    std::shared_ptr<PieceProgress> progress;
    std::uint64_t seen_bytes = 0;  // At the last tick.
    SteadyTime seen_change;
    bool replaced = false;  // Stopped in favour of another parent.
    std::unique_ptr<asio::steady_timer> stop;
  };

  void TakeEvents();
  void TakeDecisions(SteadyTime now);
  void OnDecision(const DownloadFromParents& decision, SteadyTime now);
  void OnDecision(const DownloadFromSource& decision, SteadyTime now);
  void OnDecision(const EmptyTask& decision, SteadyTime now);
  void OnDecision(const MetadataOnly& decision, SteadyTime now);
  [[nodiscard]] RoundView View(SteadyTime now) const;
  void Take(NextStep step, SteadyTime now);

  void Pump(SteadyTime now);
  /// False when the piece cannot be written now; it is not open any more then.
  bool StartJob(PieceNumber number, std::optional<ParentSlot> parent, SteadyTime now);
  static Awaitable<> RunJob(Round& self, std::shared_ptr<Job> job,
                            std::unique_ptr<PieceWriter> writer);
  static Awaitable<absl::StatusOr<GotPiece>> OnDataThread(Round& self, std::shared_ptr<Job> job,
                                                          std::unique_ptr<PieceWriter> writer);
  void JobEnded(Job& job, absl::StatusOr<GotPiece> got);
  void ParentJobFailed(Job& job, const absl::Status& status);
  void SourceJobFailed(const absl::Status& status);
  void WatchTransfers(SteadyTime now);
  void StopJob(Job& job);

  void ReadSource();
  void ReadWholeSource();
  static Awaitable<> ProbeSource(Round& self);
  static Awaitable<> RunWholeSource(Round& self);

  void Here(PieceNumber number);
  void End(absl::Status result);

  TaskEnv& env_;
  Plan plan_;
  Notifier changed_;
  const std::function<void(PieceNumber)> here_;
  const std::function<void(PieceNumber)> lost_;
  TaskEvents events_;
  PiecePicker picker_;
  TaskGroup group_;
  ParentLinks links_;
  std::shared_ptr<SchedulerSession> session_;
  absl::flat_hash_map<PieceNumber, std::shared_ptr<Job>> jobs_;
  absl::flat_hash_set<PieceNumber> foreign_;  // Written or checked by somebody else.

  SourceState source_ = SourceState::kOff;
  bool source_granted_ = false;
  bool source_told_ = false;  // The scheduler knows that the source is read.
  bool source_failed_ = false;
  std::string grant_text_;
  int whole_reads_ = 0;
  bool scheduler_given_up_ = false;
  bool started_told_ = false;
  bool refreshing_ = false;  // The answer that is awaited adds parents, nothing else.
  std::uint32_t fruitless_answers_ = 0;
  Duration refresh_interval_;
  SteadyTime next_refresh_ = SteadyTime::max();
  SteadyTime next_tick_ = SteadyTime::max();
  std::optional<absl::Status> result_;
};

}  // namespace dragonfly::dfdaemon
