#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "scheduler/swarm/change_log.h"
#include "scheduler/swarm/host.h"
#include "scheduler/swarm/piece_costs.h"
#include "scheduler/swarm/piece_set.h"
#include "scheduler/swarm/states.h"

namespace dragonfly::scheduler {

class Task;

/// What a peer brings along when it is created.
struct PeerSpec {
  PeerId id;
  Priority priority = Priority::kLevel0;  ///< As requested.
  std::optional<ByteRange> range;
  std::uint32_t concurrent_piece_count = kDefaultConcurrentPieceCount;
  /// The client will fail rather than read the source.
  bool disable_back_to_source = false;

  static constexpr std::uint32_t kDefaultConcurrentPieceCount = 8;
};

/// One download of one task on one host. Belongs to its Task, which alone changes state and edges;
/// runs on the shard of the task.
class Peer {
 public:
  /// An edge to a parent, with what it added to the counters of the parent's host.
  struct Edge {
    Peer* parent = nullptr;
    UploadShare share;
  };

  Peer(Task& task, std::shared_ptr<Host> host, PeerSpec spec, SteadyTime now)
      : host_(std::move(host)), task_(task), spec_(std::move(spec)), created_(now) {
    updated = piece_updated = now;
    trades_ = host_info().trades;
    seed_ = IsSeed(host_info().type);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] Task& task() const { return task_; }
  [[nodiscard]] const PeerId& id() const { return spec_.id; }
  [[nodiscard]] const PeerSpec& spec() const { return spec_; }
  [[nodiscard]] Host& host() const { return host_.host(); }
  [[nodiscard]] const std::shared_ptr<Host>& shared_host() const { return host_.shared(); }
  [[nodiscard]] const HostInfo& host_info() const { return host_.info(); }
  [[nodiscard]] PeerState state() const { return state_; }
  [[nodiscard]] SteadyTime created() const { return created_; }
  [[nodiscard]] const std::vector<Edge>& parents() const { return parents_; }
  [[nodiscard]] const std::vector<Peer*>& children() const { return children_; }
  /// Its host traded when it came, see HostInfo::trades.
  [[nodiscard]] bool trades() const { return trades_; }
  /// Its host was a seed when it came.
  [[nodiscard]] bool seed() const { return seed_; }
  /// It was told its parents and has not reported that it started.
  [[nodiscard]] bool starting() const { return starting_; }
  /// Its conversation broke off before its end. It may still serve, so it is not dropped, but
  /// whoever is known to live is offered first.
  [[nodiscard]] bool lost() const { return lost_; }
  /// It was on its way in an earlier run of the scheduler. What it had then it has; who gives it
  /// the rest is not known.
  [[nodiscard]] bool restored() const { return restored_; }
  /// Nobody has heard of it or its host for some time.
  [[nodiscard]] bool doubtful() const { return lost_ || !host().confirmed(); }

  /// Parents that this peer is never offered (again).
  void Block(const PeerId& parent) {
    // Nearly every peer blocks itself and nobody else.
    if (parent == id()) {
      blocks_itself_ = true;
    } else if (blocked_.size() < kBlockedLimit &&
               std::ranges::find(blocked_, parent) == blocked_.end()) {
      blocked_.push_back(parent);
    }
  }
  [[nodiscard]] bool Blocks(const Peer& parent) const {
    if (&parent == this) return blocks_itself_;
    return !blocked_.empty() && std::ranges::find(blocked_, parent.id()) != blocked_.end();
  }
  /// Without itself.
  [[nodiscard]] const std::vector<PeerId>& blocked() const { return blocked_; }

  /// Brings nearer what the choice of parents looks at. Only a hint.
  void Prefetch() const {
    __builtin_prefetch(&host_);
    __builtin_prefetch(&piece_costs);
  }
  void PrefetchHost() const { host_.Prefetch(); }

 private:
  friend class Task;
  friend class Swarm;

  /// A client names its own parents here; more than it can have had is nonsense.
  static constexpr std::size_t kBlockedLimit = 1024;

  // What is looked at for every candidate stands together, up to piece_costs.
  const HostView host_;
  std::vector<Edge> parents_;
  PeerState state_ = PeerState::kPending;
  bool on_source_ = false;
  bool trades_ = false;
  bool seed_ = false;
  bool starting_ = false;
  bool lost_ = false;
  bool blocks_itself_ = false;
  bool restored_ = false;
  std::uint32_t mark_ = 0;  // See Task::MarkUnfit().
  std::uint32_t slot_ = 0;  // In the task's list.

 public:
  // Facts without rules; whoever handles a message sets them.
  PieceCosts piece_costs;
  Priority effective_priority = Priority::kLevel0;
  bool need_back_to_source = false;
  Duration cost{};  ///< From creation to the end; 0 before.
  SteadyTime updated;
  SteadyTime piece_updated;
  PieceSet finished_pieces;
  NotePlace note;

 private:
  std::vector<Peer*> children_;
  Task& task_;
  const PeerSpec spec_;
  const SteadyTime created_;
  std::vector<PeerId> blocked_;

  // The swarm's list of peers on the same host.
  Peer* host_previous_ = nullptr;
  Peer* host_next_ = nullptr;
};

}  // namespace dragonfly::scheduler
