#include "dfdaemon/gc/page_cache.h"

#include <fcntl.h>
#include <unistd.h>

namespace dragonfly::dfdaemon {

std::vector<std::pair<TaskKind, TaskId>> IdleTasks::Next(
    const std::vector<StoredTaskSummary>& tasks, WallTime now) {
  std::vector<std::pair<TaskKind, TaskId>> idle;
  absl::flat_hash_map<TaskId, WallTime> dropped;
  for (const StoredTaskSummary& task : tasks) {
    if (task.pinned || !task.complete || task.times.updated_at + idle_after_ >= now) continue;
    const auto before = dropped_.find(task.id);
    if (before == dropped_.end() || before->second != task.times.updated_at) {
      idle.emplace_back(task.kind, task.id);
    }
    dropped.emplace(task.id, task.times.updated_at);
  }
  dropped_ = std::move(dropped);
  return idle;
}

void DropFromPageCache(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ::close(fd);
}

}  // namespace dragonfly::dfdaemon
