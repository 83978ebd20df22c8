#include "scheduler/swarm/swarm.h"

#include <utility>

namespace dragonfly::scheduler {
namespace {

// Go scheduler/resource/standard/peer_manager.go, v2.4.0: a task with so many peers forgets the
// finished ones that serve nobody.
constexpr std::size_t kCrowdedTask = 300;

bool IsActive(PeerState state) {
  return IsReceived(state) || state == PeerState::kRunning || state == PeerState::kBackToSource;
}

}  // namespace

Task* Swarm::Find(const TaskId& id) const {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : found->second.get();
}

Task& Swarm::FindOrCreate(const TaskId& id, TaskSpec spec, SteadyTime now) {
  std::unique_ptr<Task>& task = tasks_[id];
  if (task == nullptr) {
    task = std::make_unique<Task>(id, std::move(spec), options_.back_to_source_count, now);
    task->changes_ = &changes_;
    order_.push_back(task.get());
  }
  return *task;
}

Peer& Swarm::AddPeer(Task& task, std::shared_ptr<Host> host, PeerSpec spec, SteadyTime now) {
  Peer& peer = task.Add(std::make_unique<Peer>(task, std::move(host), std::move(spec), now));
  PeersOfHost& others = on_host_[&peer.host()];
  peer.host_next_ = others.first;
  if (others.first != nullptr) others.first->host_previous_ = &peer;
  others.first = &peer;
  ++others.count;
  return peer;
}

void Swarm::RemovePeer(Peer& peer) {
  ++removal_count_;
  const auto others = on_host_.find(&peer.host());
  if (peer.host_next_ != nullptr) peer.host_next_->host_previous_ = peer.host_previous_;
  if (peer.host_previous_ != nullptr) {
    peer.host_previous_->host_next_ = peer.host_next_;
  } else {
    others->second.first = peer.host_next_;
  }
  if (--others->second.count == 0) on_host_.erase(others);
  peer.task().Remove(peer);
}

std::vector<Peer*> Swarm::PeersOn(const Host& host) const {
  std::vector<Peer*> peers;
  const auto found = on_host_.find(&host);
  if (found == on_host_.end()) return peers;
  for (Peer* peer = found->second.first; peer != nullptr; peer = peer->host_next_) peers.push_back(peer);
  return peers;
}

std::vector<Peer*> Swarm::PeersOn(const Host& host, const Task& task) const {
  std::vector<Peer*> peers;
  const auto found = on_host_.find(&host);
  if (found == on_host_.end()) return peers;
  if (task.peer_count() < found->second.count) {
    for (std::size_t i = 0; i < task.peer_count(); ++i) {
      if (&task.peer(i).host() == &host) peers.push_back(&task.peer(i));
    }
    return peers;
  }
  for (Peer* peer = found->second.first; peer != nullptr; peer = peer->host_next_) {
    if (&peer->task() == &task) peers.push_back(peer);
  }
  return peers;
}

Swarm::Verdict Swarm::Judge(const Peer& peer, SteadyTime now) const {
  const PeerState state = peer.state();
  if (state == PeerState::kLeave) return Verdict::kDelete;
  // A host that shares nothing is no use once its download ended; before, its conversation still
  // needs the peer. (The original drops it in the middle and then refuses its last message.)
  if (peer.host_info().disable_shared && !IsActive(state)) return Verdict::kLeave;
  if ((state == PeerState::kRunning || state == PeerState::kBackToSource) &&
      now - peer.piece_updated > options_.piece_download_timeout) {
    return Verdict::kLeave;
  }
  if (now - peer.updated > options_.peer_ttl) return Verdict::kLeave;
  if (now - peer.host().updated() > options_.host_ttl) return Verdict::kLeave;
  if (state == PeerState::kFailed) return Verdict::kLeave;
  if (state == PeerState::kSucceeded && peer.parents().empty() && peer.children().empty() &&
      peer.task().peer_count() > kCrowdedTask) {
    return Verdict::kDelete;
  }
  return Verdict::kKeep;
}

bool Swarm::Sweep(Cursor& cursor, std::size_t budget, SteadyTime now,
                  absl::FunctionRef<void(Peer&, Verdict)> visit) {
  while (cursor.task < order_.size()) {
    const Task& task = *order_[cursor.task];
    while (cursor.peer < task.peers_.size()) {
      if (budget == 0) return false;
      --budget;
      Peer& peer = *task.peers_[cursor.peer];
      const Verdict verdict = Judge(peer, now);
      const std::size_t before = task.peers_.size();
      if (verdict != Verdict::kKeep) visit(peer, verdict);
      // A removed peer's place is taken by another one that has not been looked at.
      if (task.peers_.size() == before) ++cursor.peer;
    }
    cursor.peer = 0;
    ++cursor.task;
  }
  cursor = Cursor{};
  return true;
}

std::size_t Swarm::RemoveEmptyTasks() {
  std::size_t removed = 0;
  for (std::size_t i = 0; i < order_.size();) {
    Task* const task = order_[i];
    if (task->peer_count() > 0 || task->seeding) {
      ++i;
      continue;
    }
    changes_.Forget(*task);
    order_[i] = order_.back();
    order_.pop_back();
    tasks_.erase(TaskId(task->id()));
    ++removed;
  }
  // Tasks have changed places.
  if (removed > 0) rewriting_ = Cursor{};
  return removed;
}

}  // namespace dragonfly::scheduler
