#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/types.h"
#include "scheduler/swarm/change_log.h"
#include "scheduler/swarm/peer.h"
#include "scheduler/swarm/states.h"
#include "scheduler/swarm/task_policy.h"

namespace dragonfly::scheduler {

/// What the first registration says about a task. url and filtered_query_params are replaced by
/// later ones, the rest stays. Request headers are left out: they hold credentials for the source,
/// and everybody who asks about the task would be told.
struct TaskSpec {
  TaskKind kind = TaskKind::kStandard;
  std::string url;
  std::string digest;  ///< Empty: none.
  std::string tag;
  std::string application;
  std::vector<std::string> filtered_query_params;
  std::uint64_t piece_length = 0;
  std::int64_t content_length = 0;  ///< -1: not known.
  std::int64_t piece_count = 0;
};

/// A piece that some peer read from the source.
struct SourcePiece {
  PieceNumber number = 0;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string digest;
  Duration cost{};
  WallTime created_at;
};

/// A task, its peers and who gets pieces from whom. Runs on the shard of the task. Pure.
class Task {
 public:
  Task(TaskId id, TaskSpec spec, std::uint32_t back_to_source_limit, SteadyTime now)
      : id_(std::move(id)),
        policy_(PolicyOf(spec.kind)),
        back_to_source_limit_(back_to_source_limit),
        created_(now),
        spec_(std::move(spec)) {
    updated = now;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task();

  [[nodiscard]] const TaskId& id() const { return id_; }
  [[nodiscard]] const TaskSpec& spec() const { return spec_; }
  [[nodiscard]] const TaskPolicy& policy() const { return policy_; }
  [[nodiscard]] TaskState state() const { return state_; }
  [[nodiscard]] SteadyTime created() const { return created_; }
  [[nodiscard]] SizeScope size_scope() const {
    return SizeScopeOf(spec_.content_length, spec_.piece_count);
  }
  /// A later registration: replaces what may change, and tells the sizes again if they were
  /// forgotten.
  void Refresh(TaskSpec spec);
  /// After the source failed: what was known about the content is not trusted any more.
  void ForgetSizes();

  /// Internal "event … inappropriate in current state …" when the state forbids it.
  absl::Status Apply(TaskEvent event, SteadyTime now);

  // Peers.

  [[nodiscard]] Peer* Find(const PeerId& id) const { return Find(std::string_view(id.str())); }
  [[nodiscard]] Peer* Find(std::string_view id) const;
  [[nodiscard]] std::size_t peer_count() const { return peers_.size(); }
  [[nodiscard]] std::size_t peer_count(PeerState state) const {
    return by_state_[static_cast<std::size_t>(state)];
  }
  [[nodiscard]] Peer& peer(std::size_t index) const { return *peers_[index]; }

  /// Internal as above. Edges to parents, the source quota and counters follow the new state:
  /// whoever reads the source, has succeeded, failed or left has no parents any more.
  absl::Status Apply(Peer& peer, PeerEvent event, SteadyTime now);

  /// Up to `count` of the peers that are Running, BackToSource or Succeeded: a uniform draw without
  /// replacement. Nobody else can be a parent, and where a thousand peers wait for the one that
  /// can, a draw from all of them would miss it. Valid until the next call that is not const.
  [[nodiscard]] std::span<Peer* const> Sample(std::size_t count, Random& random);

  // Who gets pieces from whom.

  /// "cycle between vertices" also when the edge is there already or joins a peer with itself.
  absl::Status AddEdge(Peer& parent, Peer& child);
  /// The same for a parent that was found fit after MarkUnfit(child): new parents of the child
  /// change nothing about who is below it, so one walk is enough for all of them.
  absl::Status AddFitEdge(Peer& parent, Peer& child);
  void DetachFromParents(Peer& child);
  /// Only from those that it blocks.
  void DetachFromBlocked(Peer& child);
  /// Marks everybody that must not be a parent of `peer` because it gets pieces from it, itself
  /// included, so that many candidates are tested in one walk. Until the next call.
  ///
  /// A daemon of the original that gets pieces from its own child waits for it while it waits, so
  /// there are no cycles with such. Those that trade leave a parent that has nothing new and are
  /// sent to the source when nobody has (see NobodyHasMore()); they may be parents of each other,
  /// and each piece then goes over whichever link is free.
  void MarkUnfit(Peer& peer);
  [[nodiscard]] bool IsMarked(const Peer& peer) const { return peer.mark_ == mark_; }
  [[nodiscard]] static bool HasEdge(const Peer& parent, const Peer& child);
  /// It was sent parents: counts as starting until its next event.
  void ToldParents(Peer& peer, SteadyTime now);
  /// Its conversation broke off.
  void Lost(Peer& peer);

  // What decisions ask.

  [[nodiscard]] bool CanBackToSource() const {
    return policy_.may_back_to_source && back_to_source_count_ <= back_to_source_limit_;
  }
  [[nodiscard]] std::uint32_t back_to_source_count() const { return back_to_source_count_; }
  /// Some peer on another host that `child` does not block has pieces or soon will.
  [[nodiscard]] bool HasAvailablePeer(const Peer& child) const;
  [[nodiscard]] bool HasAvailablePeer() const;
  /// Whether nobody that `peer` could turn to has a piece that it lacks, and nobody is getting one
  /// from the source either.
  [[nodiscard]] bool NobodyHasMore(const Peer& peer, SteadyTime now) const;
  /// Peers on seeds, at most a few.
  [[nodiscard]] const std::vector<Peer*>& seeds() const { return seeds_; }
  /// The seed's last attempt failed and is less than 30 minutes old.
  [[nodiscard]] bool SeedPeerFailed(SteadyTime now) const;
  /// Peers that were told their parents and have not started yet, and when the last one was told.
  [[nodiscard]] std::size_t starting_count() const { return starting_count_; }
  /// It is one of those that Sample() draws from.
  [[nodiscard]] bool IsPossibleParent(const Peer& peer) const {
    return peer.slot_ < possible_parents_;
  }
  /// Those that Sample() draws from.
  [[nodiscard]] std::size_t possible_parent_count() const { return possible_parents_; }
  [[nodiscard]] SteadyTime last_told_parents() const { return last_told_parents_; }

  void Store(SourcePiece piece);
  [[nodiscard]] const std::vector<SourcePiece>& source_pieces() const { return source_pieces_; }

  /// What is written down of the peer may not be true any more.
  void Changed(Peer& peer) {
    if (changes_ != nullptr) changes_->Note(peer);
  }

  // Facts without rules.
  NotePlace note;
  SteadyTime updated;
  std::uint32_t peer_failed_count = 0;
  bool choice_logged = false;     ///< Why its first peer got these parents.
  bool seeding = false;           ///< A seed peer was asked and has not ended.
  std::size_t waiting_count = 0;  ///< Peers without an answer.
  /// Who was last sent to the source, and when.
  struct SourceGrant {
    PeerId peer;
    SteadyTime at;
  };
  std::optional<SourceGrant> last_source_grant;

 private:
  friend class Swarm;

  Peer& Add(std::unique_ptr<Peer> peer);
  /// Removes its edges on both sides and the peer.
  void Remove(Peer& peer);
  /// The parent's side of an edge ends; the child's is the caller's.
  static void LetGo(const Peer::Edge& edge, Peer& child);
  void DetachFromChildren(Peer& parent);
  void SetState(Peer& peer, PeerState state);
  void SwapSlots(std::size_t a, std::size_t b);
  /// Keeps the possible parents in front.
  void Place(Peer& peer, bool possible_parent);
  void ClearStarting(Peer& peer);
  void Changed();

  const TaskId id_;
  const TaskPolicy policy_;
  ChangeLog* changes_ = nullptr;  // The swarm's.
  const std::uint32_t back_to_source_limit_;
  const SteadyTime created_;

  TaskSpec spec_;
  TaskState state_ = TaskState::kPending;
  std::vector<std::unique_ptr<Peer>> peers_;
  std::size_t possible_parents_ = 0;                    // So many, in front.
  absl::flat_hash_map<std::string_view, Peer*> by_id_;  // Keys lie in the peers.
  std::array<std::uint32_t, kPeerStateCount> by_state_{};
  std::uint32_t back_to_source_count_ = 0;
  std::size_t starting_count_ = 0;
  std::size_t not_trading_count_ = 0;
  std::vector<Peer*> seeds_;
  SteadyTime last_told_parents_{};
  std::vector<SourcePiece> source_pieces_;
  std::uint32_t mark_ = 0;
  std::vector<std::pair<Peer*, bool>> walk_;  // With whether all above trade.
  std::vector<Peer*> sample_;
};

}  // namespace dragonfly::scheduler
