#include "scheduler/swarm/change_log.h"

#include "scheduler/swarm/task.h"

namespace dragonfly::scheduler {
namespace {

template <class T>
void Add(std::vector<T*>& list, T& one) {
  if (one.note.index != NotePlace::kNowhere) return;
  one.note.index = static_cast<std::uint32_t>(list.size());
  list.push_back(&one);
}

template <class T>
void Drop(std::vector<T*>& list, T& one) {
  if (one.note.index == NotePlace::kNowhere) return;
  list[one.note.index] = list.back();
  list[one.note.index]->note.index = one.note.index;
  list.pop_back();
  one.note.index = NotePlace::kNowhere;
}

template <class T>
T* TakeLast(std::vector<T*>& list) {
  if (list.empty()) return nullptr;
  T* const last = list.back();
  list.pop_back();
  last->note.index = NotePlace::kNowhere;
  return last;
}

}  // namespace

void ChangeLog::Note(Task& task) {
  if (enabled_) Add(tasks_, task);
}

void ChangeLog::Note(Peer& peer) {
  if (enabled_) Add(peers_, peer);
}

void ChangeLog::Forget(Task& task) {
  Drop(tasks_, task);
  if (task.note.written && gone_tasks.size() < kGoneLimit) gone_tasks.push_back(task.id());
}

void ChangeLog::Forget(Peer& peer) {
  Drop(peers_, peer);
  if (peer.note.written && gone_peers.size() < kGoneLimit) {
    gone_peers.emplace_back(peer.task().id(), peer.id());
  }
}

Task* ChangeLog::TakeTask() { return TakeLast(tasks_); }

Peer* ChangeLog::TakePeer() { return TakeLast(peers_); }

}  // namespace dragonfly::scheduler
