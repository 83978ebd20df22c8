// Pieces, deletions and sweeps: what changes the swarm without an answer to anybody.

#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "scheduler/selection/dispatcher.h"

namespace dragonfly::scheduler {

namespace {

// A peer has a few parents at a time.
constexpr std::size_t kRememberedParents = 8;

}  // namespace

absl::StatusOr<Peer*> Dispatcher::Require(const PeerKey& key, ReportMemo& memo) const {
  if (memo.peer != nullptr && memo.removal_count == swarm_.removal_count()) return memo.peer;
  memo.peer = nullptr;
  memo.parents.clear();
  ASSIGN_OR_RETURN(memo.peer, Require(key));
  memo.removal_count = swarm_.removal_count();
  return memo.peer;
}

Peer* Dispatcher::FindParent(const Task& task, std::string_view id, ReportMemo& memo) {
  for (Peer* const parent : memo.parents) {
    if (parent->id().str() == id) return parent;
  }
  Peer* const parent = task.Find(id);
  if (parent == nullptr) return nullptr;
  if (memo.parents.size() == kRememberedParents) memo.parents.clear();
  memo.parents.push_back(parent);
  return parent;
}

void Dispatcher::CountPiece(Peer& peer, const PieceReport& piece, SteadyTime now) {
  peer.finished_pieces.Set(piece.number);
  peer.piece_costs.Append(piece.cost);
  peer.piece_updated = now;
  peer.updated = now;
  Task& task = peer.task();
  task.updated = now;
  task.Changed(peer);
  const HostInfo& host = peer.host_info();
  const TaskKind kind = task.spec().kind;
  with_.metrics.PieceFinished({piece.traffic, kind, host.type}, piece.length);
  with_.metrics.HostBytes(SchedulingMetrics::HostTraffic::kDownload, kind, host, piece.length);
}

absl::Status Dispatcher::PieceFinished(const PeerKey& key, const PieceReport& piece,
                                       ReportMemo& memo, SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key, memo));
  CountPiece(*peer, piece, now);
  Peer* const parent = FindParent(peer->task(), piece.parent_id, memo);
  if (parent == nullptr) return absl::OkStatus();
  parent->updated = now;
  parent->host().Touch(now);
  with_.metrics.HostBytes(SchedulingMetrics::HostTraffic::kUpload, peer->task().spec().kind,
                          parent->host_info(), piece.length);
  return absl::OkStatus();
}

absl::Status Dispatcher::PieceFromSourceFinished(const PeerKey& key, const PieceReport& piece,
                                                 SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key));
  CountPiece(*peer, piece, now);
  SourcePiece stored;
  stored.number = piece.number;
  stored.offset = piece.offset;
  stored.length = piece.length;
  stored.digest = piece.digest;
  stored.cost = piece.cost;
  stored.created_at = piece.created_at;
  peer->task().Store(std::move(stored));
  return absl::OkStatus();
}

absl::Status Dispatcher::PieceFailed(const PeerKey& key, const PeerId& parent_id, bool temporary,
                                     SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key));
  Task& task = peer->task();
  with_.metrics.PieceFailed({TrafficType::kRemotePeer, task.spec().kind, peer->host_info().type});
  if (!temporary) return absl::FailedPreconditionError("download piece failed");
  peer->updated = now;
  task.updated = now;
  peer->Block(parent_id);
  if (const Peer* parent = task.Find(parent_id); parent != nullptr) parent->host().UploadFailed();
  return absl::OkStatus();
}

absl::Status Dispatcher::PieceFromSourceFailed(const PeerKey& key, SteadyTime now) {
  ASSIGN_OR_RETURN(Peer* const peer, Require(key));
  peer->updated = now;
  peer->task().updated = now;
  with_.metrics.PieceFailed(
      {TrafficType::kBackToSource, peer->task().spec().kind, peer->host_info().type});
  return absl::InternalError("download piece from source failed");
}

void Dispatcher::SeedingEnded(const TaskId& task_id, const absl::StatusOr<SeedOutcome>& outcome,
                              SteadyTime now) {
  Task* const task = swarm_.Find(task_id);
  if (task == nullptr) return;
  task->seeding = false;
  if (!outcome.ok()) {
    with_.log.Warn("seed peer did not fetch the task",
                   {{"task_id", task_id}, {"error", outcome.status()}});
  } else if (std::shared_ptr<Host> host = with_.hosts.Find(outcome->host_id);
             host != nullptr && !outcome->peer_id.empty() &&
             task->Find(outcome->peer_id) == nullptr) {
    PeerSpec spec;
    spec.id = outcome->peer_id;
    Peer& seed = swarm_.AddPeer(*task, std::move(host), std::move(spec), now);
    absl::Status status = task->Apply(seed, PeerEvent::kRegisterNormal, now);
    if (status.ok()) status = task->Apply(seed, PeerEvent::kDownloadSucceeded, now);
    if (!status.ok()) with_.log.Warn("adopt seed peer", {{"task_id", task_id}, {"error", status}});
  }
  waiting_.TaskChanged(*task, now);
}

std::size_t Dispatcher::Restore(StateChanges records, const Times& times) {
  std::size_t added = 0;
  for (const TaskRecord& record : records.tasks) swarm_.Restore(record, times);
  for (PeerRecord& record : records.peers) {
    std::shared_ptr<Host> host = with_.hosts.Find(record.host_id);
    Peer* const peer = swarm_.Restore(std::move(record), std::move(host), times);
    if (peer == nullptr) continue;
    ++added;
    waiting_.TaskChanged(peer->task(), times.steady);
  }
  return added;
}

const Peer* Dispatcher::FindPeer(const TaskId& task, const PeerId& peer) const {
  const Task* const found = swarm_.Find(task);
  return found == nullptr ? nullptr : found->Find(peer);
}

void Dispatcher::Remove(Peer& peer, SteadyTime now) {
  Task& task = peer.task();
  waiting_.Dismiss(peer, absl::NotFoundError(StrCat("peer ", peer.id().str(), " not found")), now);
  swarm_.RemovePeer(peer);
  waiting_.TaskChanged(task, now);
}

void Dispatcher::DeletePeer(const TaskId& task, const PeerId& peer, SteadyTime now) {
  if (Task* const found = swarm_.Find(task); found != nullptr) {
    if (Peer* const gone = found->Find(peer); gone != nullptr) Remove(*gone, now);
  }
}

void Dispatcher::DeleteTask(const HostId& host, const TaskId& task, SteadyTime now) {
  Task* const found = swarm_.Find(task);
  if (found == nullptr) return;
  std::vector<Peer*> gone;
  for (std::size_t i = 0; i < found->peer_count(); ++i) {
    if (found->peer(i).host().id() == host) gone.push_back(&found->peer(i));
  }
  for (Peer* const peer : gone) Remove(*peer, now);
}

void Dispatcher::HostLeft(const Host& host, SteadyTime now) {
  for (Peer* const peer : swarm_.PeersOn(host)) Remove(*peer, now);
}

bool Dispatcher::SweepPeers(Swarm::Cursor& cursor, std::size_t budget, SteadyTime now) {
  return swarm_.Sweep(cursor, budget, now, [this, now](Peer& peer, Swarm::Verdict verdict) {
    if (verdict == Swarm::Verdict::kDelete) {
      Remove(peer, now);
      return;
    }
    Task& task = peer.task();
    if (!task.Apply(peer, PeerEvent::kLeave, now).ok()) return;
    waiting_.TaskChanged(task, now);
  });
}

}  // namespace dragonfly::scheduler
