#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/types.h"

namespace dragonfly::scheduler {

class Peer;
class Task;

/// Which tasks and peers of a swarm differ from what was written down of them. Noting one that is
/// noted already costs a look at a flag, so that every piece report may do it. Runs on the shard.
class ChangeLog {
 public:
  /// Until then nothing is noted.
  void Enable() { enabled_ = true; }
  /// While somebody walks over all peers by their places, those that change places are noted too,
  /// because the walk may pass them by.
  bool notes_moves = false;

  void Note(Task& task);
  void Note(Peer& peer);
  /// It is about to be destroyed.
  void Forget(Task& task);
  void Forget(Peer& peer);

  /// The noted ones, one at a time; null when there is none.
  Task* TakeTask();
  Peer* TakePeer();

  // Keys of what was written down and is gone. When nobody takes them they are dropped in the end:
  // whoever finds such a record later sees that its host does not have it.
  std::vector<TaskId> gone_tasks;
  std::vector<std::pair<TaskId, PeerId>> gone_peers;

 private:
  static constexpr std::size_t kGoneLimit = 1U << 20U;

  bool enabled_ = false;
  std::vector<Task*> tasks_;
  std::vector<Peer*> peers_;
};

/// Where something stands in the log.
struct NotePlace {
  static constexpr std::uint32_t kNowhere = UINT32_MAX;
  std::uint32_t index = kNowhere;
  bool written = false;  ///< There is a record of it.
};

}  // namespace dragonfly::scheduler
