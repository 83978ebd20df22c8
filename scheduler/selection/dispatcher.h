#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/types.h"
#include "common/log/logger.h"
#include "scheduler/cluster/dynamic_config.h"
#include "scheduler/cluster/seed_outcome.h"
#include "scheduler/selection/peer_channel.h"
#include "scheduler/selection/registration.h"
#include "scheduler/selection/scheduling_metrics.h"
#include "scheduler/selection/seed_trigger.h"
#include "scheduler/selection/waiting_room.h"
#include "scheduler/swarm/host_table.h"
#include "scheduler/swarm/swarm.h"

namespace dragonfly::scheduler {

/// Who speaks, in every message of a conversation.
struct PeerKey {
  HostId host_id;
  TaskId task_id;
  PeerId peer_id;
};

struct Registration {
  TaskSpec task;
  PeerSpec peer;
  bool need_back_to_source = false;
  bool metadata_only = false;
  /// The common.v2.Download message, for a seed peer that is made to fetch the task.
  std::string download;
};

/// One piece that a peer got. Kept and filled again by those who handle many.
struct PieceReport {
  PieceNumber number = 0;
  std::string parent_id;  ///< Empty: from the source.
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string digest;
  TrafficType traffic = TrafficType::kRemotePeer;
  Duration cost{};
  WallTime created_at;
};

/// Peers that the piece reports of one conversation are about, so that most of them need no search.
/// Kept by the conversation, filled by the Dispatcher; good as long as no peer is removed.
struct ReportMemo {
  std::uint64_t removal_count = 0;
  Peer* peer = nullptr;
  std::vector<Peer*> parents;
};

/// One shard of the scheduler: applies what peers say to the swarm and decides what they are told.
/// Everything runs on the shard's executor, every call takes the time; no I/O, so that a simulator
/// can run it on virtual time.
///
/// Statuses are what the conversation ends with: NotFound for unknown hosts and peers, Internal for
/// an event that the peer's state forbids, and those of DecideRegistration(). When a registration,
/// a reschedule or a start fails, the peer is failed as well, and if that fails too its error is
/// the one returned.
class Dispatcher {
 public:
  struct Options {
    Swarm::Options swarm;
    WaitingRoom::Options waiting;
    /// See MakeEvaluator().
    std::string algorithm = "default";
    /// Somebody calls TakeChanges().
    bool keep_changes = false;
  };
  /// All outlive the dispatcher.
  struct Collaborators {
    const HostTable& hosts;
    SeedTrigger& seeds;
    const Evaluator& evaluator;
    const DynamicConfigSource& dynamic_config;
    SchedulingMetrics& metrics;
    Logger log;
  };

  Dispatcher(const Options& options, const Collaborators& collaborators, Random random);

  // Messages of a conversation, in their order. The first two answer through the channel.

  void Register(const PeerKey& key, Registration registration,
                std::shared_ptr<PeerChannel> channel, SteadyTime now);
  void Reschedule(const PeerKey& key, std::span<const PeerId> used_parents,
                  std::shared_ptr<PeerChannel> channel, SteadyTime now);
  absl::Status Started(const PeerKey& key, SteadyTime now);
  absl::Status BackToSourceStarted(const PeerKey& key, SteadyTime now);
  absl::Status Finished(const PeerKey& key, SteadyTime now);
  absl::Status BackToSourceFinished(const PeerKey& key, SteadyTime now);
  absl::Status Failed(const PeerKey& key, SteadyTime now);
  absl::Status BackToSourceFailed(const PeerKey& key, SteadyTime now);

  // Their errors are for the log; the conversation goes on.

  absl::Status PieceFinished(const PeerKey& key, const PieceReport& piece, ReportMemo& memo,
                             SteadyTime now);
  absl::Status PieceFromSourceFinished(const PeerKey& key, const PieceReport& piece,
                                       SteadyTime now);
  absl::Status PieceFailed(const PeerKey& key, const PeerId& parent, bool temporary,
                           SteadyTime now);
  absl::Status PieceFromSourceFailed(const PeerKey& key, SteadyTime now);

  /// The client went away. A peer that waits for an answer fails, and one that had its answer but
  /// did not start has left: it never can, and others must not wait for it. Those that download or
  /// have finished keep their state, because they serve and go on with the parents they know.
  void Disconnected(const PeerKey& key, SteadyTime now);

  // Everything else.

  /// The end of SeedTrigger::Trigger(). A seed peer that has the task but did not say so in a
  /// conversation (it had it before) becomes a peer here.
  void SeedingEnded(const TaskId& task, const absl::StatusOr<SeedOutcome>& outcome,
                    SteadyTime now);
  /// Pointers are good until the next call.
  [[nodiscard]] const Task* FindTask(const TaskId& id) const { return swarm_.Find(id); }
  [[nodiscard]] const Peer* FindPeer(const TaskId& task, const PeerId& peer) const;
  void DeletePeer(const TaskId& task, const PeerId& peer, SteadyTime now);
  /// This host's peers of the task.
  void DeleteTask(const HostId& host, const TaskId& task, SteadyTime now);
  void HostLeft(const Host& host, SteadyTime now);

  /// One portion of a round over all peers; true when the round is over.
  bool SweepPeers(Swarm::Cursor& cursor, std::size_t budget, SteadyTime now);
  std::size_t SweepTasks() { return swarm_.RemoveEmptyTasks(); }

  // For whoever keeps what outlives the scheduler; see Swarm.

  void TakeChanges(std::size_t budget, const Times& times, StateChanges& into) {
    swarm_.TakeChanges(budget, times, into);
  }
  void ChangesLost() { swarm_.ChangesLost(); }
  /// Tasks and peers; their hosts have to be known. Returns how many peers were added.
  std::size_t Restore(StateChanges records, const Times& times);

  void Advance(SteadyTime now) { waiting_.Advance(now); }
  [[nodiscard]] std::optional<SteadyTime> NextDeadline() const { return waiting_.NextDeadline(); }

 private:
  /// Puts the peer into the waiting room, or answers at once.
  absl::Status TryRegister(const PeerKey& key, Registration& registration,
                           const std::shared_ptr<PeerChannel>& channel, SteadyTime now,
                           bool& settles_later);
  RegistrationDecision Decide(const Task& task, const Peer& peer, const Registration& registration,
                              std::int32_t priority, SteadyTime now) const;
  absl::StatusOr<Peer*> Require(const PeerKey& key) const;
  absl::StatusOr<Peer*> Require(const PeerKey& key, ReportMemo& memo) const;
  static Peer* FindParent(const Task& task, std::string_view id, ReportMemo& memo);
  absl::Status FailAfter(const PeerKey& key, absl::Status cause, SteadyTime now);
  void CountPiece(Peer& peer, const PieceReport& piece, SteadyTime now);
  void Remove(Peer& peer, SteadyTime now);
  void DropPredecessors(const Peer& peer, SteadyTime now);
  [[nodiscard]] static PeerLabels LabelsOf(const Peer& peer);

  const Collaborators with_;
  Swarm swarm_;
  WaitingRoom waiting_;
};

}  // namespace dragonfly::scheduler
