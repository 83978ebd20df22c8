#pragma once

#include <array>
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

/// A full or broken disk, or a task that was removed: asking others would not help.
[[nodiscard]] bool IsLocalError(const absl::Status& status);

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
  /// A parent (or the source) was asked for a piece, and has not ended yet.
  struct Ask {
    std::uint32_t id = 0;
    std::optional<ParentSlot> parent;  // Nothing: the source.
    SteadyTime since;
    bool stopping = false;
    std::unique_ptr<asio::steady_timer> stop;
  };
  /// A piece that was claimed. It waits until one of those that were asked begins to send it.
  struct Job {
    PieceNumber number = 0;
    std::shared_ptr<ClaimedPiece> piece;
    std::vector<std::shared_ptr<Ask>> asks;
    // Once it comes:
    std::shared_ptr<Ask> sender;
    SteadyTime began;
    std::uint64_t seen_bytes = 0;  // At the last tick.
    SteadyTime seen_change;
    bool replaced = false;  // Stopped in favour of another parent.
  };

  void TakeEvents();
  void TakeDecisions(SteadyTime now);
  void OnDecision(const DownloadFromParents& decision, SteadyTime now);
  void OnDecision(const DownloadFromSource& decision, SteadyTime now);
  void OnDecision(const EmptyTask& decision, SteadyTime now);
  void OnDecision(const MetadataOnly& decision, SteadyTime now);
  [[nodiscard]] RoundView View(SteadyTime now) const;
  void Take(NextStep step, SteadyTime now);

  /// Parents that were given up since the last call.
  void NoticeRetirements(SteadyTime now);
  void Pump(SteadyTime now);
  /// Takes note of pieces that began to come.
  void NoticeBegun(SteadyTime now);
  void Begun(Job& job, SteadyTime now);
  /// Asks one parent, or the source, for one more piece. False when there is nothing to ask for.
  bool AskOne(SteadyTime now);
  /// While pieces wait at parents that are busy: asks all others as well.
  void AskEverybody(SteadyTime now);
  /// Somebody was faster.
  void StopWaiting();
  [[nodiscard]] bool MayReceive(SteadyTime now, int more) const;
  [[nodiscard]] bool Waits(const Job& job) const { return job.sender == nullptr; }
  /// Pieces that were asked for, but have not begun to come.
  [[nodiscard]] int waiting() const;
  [[nodiscard]] int coming() const;
  [[nodiscard]] int nearly_done() const;
  [[nodiscard]] SteadyTime NextTick(SteadyTime now) const;

  /// Null when the piece cannot be written now; it is not open any more then.
  std::shared_ptr<Job> StartJob(PieceNumber number);
  void AskFor(const std::shared_ptr<Job>& job, std::optional<ParentSlot> parent, SteadyTime now);
  static Awaitable<> RunAsk(Round& self, std::shared_ptr<Job> job, std::shared_ptr<Ask> ask);
  static Awaitable<absl::StatusOr<GotPiece>> OnDataThread(Round& self, std::shared_ptr<Job> job,
                                                          std::shared_ptr<Ask> ask);
  void AskEnded(const std::shared_ptr<Job>& job, const std::shared_ptr<Ask>& ask,
                absl::StatusOr<GotPiece> got);
  void Answered(ParentSlot parent);
  /// The piece does not come by this job any more.
  void Forget(Job& job);
  void Arrived(const Ask& ask, GotPiece got);
  void ParentFailed(const Ask& ask, PieceNumber number, const absl::Status& status);
  void SourceJobFailed(const absl::Status& status);
  void WatchTransfers(SteadyTime now);
  void WatchTransfer(Job& job, bool tail, SteadyTime now);
  void WatchAsk(const Job& job, Ask& ask, SteadyTime now);
  static void Stop(Ask& ask);

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
  std::uint32_t last_ask_ = 0;
  ParentMask asked_;                                 // Parents that have not answered yet.
  std::array<std::uint8_t, kMaxParents> asks_at_{};  // How often they were asked.
  bool contended_ = false;    // The last piece that began to come had to wait for its parent.
  SteadyTime last_progress_;  // A piece began to come, arrived, or nothing was asked for.
  absl::flat_hash_set<PieceNumber> foreign_;  // Written or checked by somebody else.
  // Pieces that stopped coming. They are not passed on before they are whole: when the one who had
  // all of it is gone, its beginning would go round and round among the others.
  absl::flat_hash_set<PieceNumber> broke_off_;

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
  std::uint64_t retirements_ = 0;  // Of parents, so far.
  Duration refresh_interval_;
  SteadyTime next_refresh_ = SteadyTime::max();
  SteadyTime next_tick_ = SteadyTime::max();
  std::optional<absl::Status> result_;
};

}  // namespace dragonfly::dfdaemon
