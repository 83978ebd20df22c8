#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "scheduler/swarm/change_log.h"
#include "scheduler/swarm/state_changes.h"
#include "scheduler/swarm/task.h"
#include "scheduler/swarm/times.h"

namespace dragonfly::scheduler {

/// The tasks of one shard and their peers. Runs on the shard's executor; pure.
class Swarm {
 public:
  struct Options {
    /// Peers of one task that may read the source at once; one more is let through.
    std::uint32_t back_to_source_count = 200;
    /// A peer that downloads and finished no piece for so long has left.
    Duration piece_download_timeout = std::chrono::minutes(30);
    Duration peer_ttl = std::chrono::hours(24);
    Duration host_ttl = std::chrono::hours(1);
  };

  explicit Swarm(const Options& options) : options_(options) {}
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  [[nodiscard]] Task* Find(const TaskId& id) const;
  /// `spec` only matters when the task is new.
  Task& FindOrCreate(const TaskId& id, TaskSpec spec, SteadyTime now);
  [[nodiscard]] std::size_t task_count() const { return tasks_.size(); }

  Peer& AddPeer(Task& task, std::shared_ptr<Host> host, PeerSpec spec, SteadyTime now);
  void RemovePeer(Peer& peer);
  /// Changes when a peer is removed: until then pointers to peers are good.
  [[nodiscard]] std::uint64_t removal_count() const { return removal_count_; }
  /// The peers of this shard on a host; pointers are good until peers are removed.
  [[nodiscard]] std::vector<Peer*> PeersOn(const Host& host) const;
  /// Those that download `task`. A seed has peers of very many tasks, and a task peers on very many
  /// hosts: whichever are fewer are looked through.
  [[nodiscard]] std::vector<Peer*> PeersOn(const Host& host, const Task& task) const;

  /// What the collector does with a peer.
  enum class Verdict : std::uint8_t { kKeep, kLeave, kDelete };
  [[nodiscard]] Verdict Judge(const Peer& peer, SteadyTime now) const;

  /// Position of a sweep over all peers, in portions, so that it never holds up the shard.
  struct Cursor {
    std::size_t task = 0;
    std::size_t peer = 0;
  };
  /// Visits up to `budget` peers and calls `visit` for those that are not kept. Peers added or
  /// moved meanwhile may be missed until the next round. True: the round is over. `visit` may
  /// remove the peer it is given, nothing else.
  bool Sweep(Cursor& cursor, std::size_t budget, SteadyTime now,
             absl::FunctionRef<void(Peer&, Verdict)> visit);

  // For whoever writes the swarm down.

  /// Before anything is in it.
  void KeepChanges() { changes_.Enable(); }
  /// About `budget` records that changed since the last call.
  void TakeChanges(std::size_t budget, const Times& times, StateChanges& into);
  /// Everything counts as changed.
  void ChangesLost();
  /// Adds what was written down. What is known already stays as it is, and a peer needs its task
  /// and its host.
  void Restore(const TaskRecord& record, const Times& times);
  /// Null when it is not added.
  Peer* Restore(PeerRecord record, std::shared_ptr<Host> host, const Times& times);

  /// Removes the tasks that have no peers and no seed peer on its way. Returns how many.
  std::size_t RemoveEmptyTasks();

 private:
  void Write(Peer& peer, const Times& times, StateChanges& into);
  void Write(Task& task, const Times& times, StateChanges& into);

  const Options options_;
  ChangeLog changes_;  // Outlives the tasks.
  Cursor rewriting_;   // As long as changes_.notes_moves.
  absl::flat_hash_map<TaskId, std::unique_ptr<Task>> tasks_;
  std::vector<Task*> order_;
  struct PeersOfHost {
    Peer* first = nullptr;
    std::size_t count = 0;
  };
  absl::flat_hash_map<const Host*, PeersOfHost> on_host_;
  std::uint64_t removal_count_ = 0;
};

}  // namespace dragonfly::scheduler
