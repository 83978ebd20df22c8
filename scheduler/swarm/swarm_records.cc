// The swarm as records: what is written down of it, and how it comes back.

#include <algorithm>
#include <iterator>
#include <utility>

#include "scheduler/swarm/swarm.h"

namespace dragonfly::scheduler {
namespace {

bool IsWorthWriting(const Peer& peer) {
  switch (peer.state()) {
    case PeerState::kSucceeded:
      return true;
    case PeerState::kRunning:
    case PeerState::kBackToSource:
      return peer.finished_pieces.count() > 0;
    default:
      return false;
  }
}

}  // namespace

void Swarm::Write(Task& task, const Times& times, StateChanges& into) {
  task.note.written = true;
  into.tasks.push_back({task.id(), task.spec(), task.state(), times.ToWall(task.created()),
                        times.ToWall(task.updated)});
}

void Swarm::Write(Peer& peer, const Times& times, StateChanges& into) {
  if (!IsWorthWriting(peer)) {
    if (std::exchange(peer.note.written, false)) {
      into.gone_peers.emplace_back(peer.task().id(), peer.id());
    }
    return;
  }
  if (!peer.task().note.written) Write(peer.task(), times, into);
  peer.note.written = true;
  PeerRecord record;
  record.task_id = peer.task().id();
  record.host_id = peer.host().id();
  record.spec = peer.spec();
  record.succeeded = peer.state() == PeerState::kSucceeded;
  record.pieces = peer.finished_pieces;
  record.cost = peer.cost;
  record.created = times.ToWall(peer.created());
  record.updated = times.ToWall(peer.updated);
  into.peers.push_back(std::move(record));
}

void Swarm::TakeChanges(std::size_t budget, const Times& times, StateChanges& into) {
  const std::size_t end = into.size() + budget;
  std::ranges::move(std::exchange(changes_.gone_tasks, {}), std::back_inserter(into.gone_tasks));
  std::ranges::move(std::exchange(changes_.gone_peers, {}), std::back_inserter(into.gone_peers));
  while (into.size() < end) {
    Task* const task = changes_.TakeTask();
    if (task == nullptr) break;
    Write(*task, times, into);
  }
  while (into.size() < end) {
    Peer* const peer = changes_.TakePeer();
    if (peer == nullptr) break;
    Write(*peer, times, into);
  }
  while (changes_.notes_moves && into.size() < end) {
    if (rewriting_.task >= order_.size()) {
      changes_.notes_moves = false;
      break;
    }
    Task& task = *order_[rewriting_.task];
    if (rewriting_.peer == 0) task.note.written = false;
    if (rewriting_.peer < task.peer_count()) {
      Write(task.peer(rewriting_.peer++), times, into);
    } else {
      ++rewriting_.task;
      rewriting_.peer = 0;
    }
  }
}

void Swarm::ChangesLost() {
  changes_.notes_moves = true;
  rewriting_ = Cursor{};
}

void Swarm::Restore(const TaskRecord& record, const Times& times) {
  if (Find(record.id) != nullptr) return;
  Task& task = FindOrCreate(record.id, record.spec, times.ToSteady(record.created));
  task.state_ = record.state;
  task.updated = times.ToSteady(record.updated);
  task.note.written = true;
}

Peer* Swarm::Restore(PeerRecord record, std::shared_ptr<Host> host, const Times& times) {
  Task* const task = Find(record.task_id);
  if (task == nullptr || host == nullptr || task->Find(record.spec.id) != nullptr) return nullptr;
  Peer& peer =
      AddPeer(*task, std::move(host), std::move(record.spec), times.ToSteady(record.created));
  peer.Block(peer.id());
  task->SetState(peer, record.succeeded ? PeerState::kSucceeded : PeerState::kRunning);
  peer.finished_pieces = std::move(record.pieces);
  peer.cost = record.cost;
  peer.updated = times.ToSteady(record.updated);
  // The time in which it has to show that it goes on begins now.
  peer.piece_updated = times.steady;
  peer.lost_ = peer.restored_ = !record.succeeded;
  peer.note.written = true;
  return &peer;
}

}  // namespace dragonfly::scheduler
