#include "dfdaemon/gc/gc_plan.h"

#include <algorithm>

namespace dragonfly::dfdaemon {
namespace {

bool IsDone(const StoredTaskSummary& task) {
  return task.complete || task.times.finished_at || task.times.failed_at;
}

// Last use of a task that has been whole; the beginning of another, because every try to get it
// counts as a use and would keep it for ever.
WallTime UsedAt(const StoredTaskSummary& task) {
  const bool was_whole = task.complete || task.times.finished_at.has_value();
  return was_whole ? task.times.updated_at : task.times.created_at;
}

bool IsExpired(const StoredTaskSummary& task, const GcPolicy& policy, WallTime now) {
  if (task.kind == TaskKind::kStandard) return UsedAt(task) + policy.task_ttl < now;
  return task.ttl.count() > 0 && now - task.times.created_at > task.ttl;
}

bool MayGoForRoom(const StoredTaskSummary& task, const GcPolicy& policy, WallTime now) {
  if (task.persistent && task.kind != TaskKind::kStandard) return false;
  return IsDone(task) || task.times.created_at + policy.unfinished_protected < now;
}

// Bytes to free; 0 below the high mark.
std::uint64_t Excess(const DiskUsage& disk, const GcPolicy& policy) {
  if (disk.total == 0) return 0;
  const double total = static_cast<double>(disk.total);
  const double used = total - static_cast<double>(std::min(disk.available, disk.total));
  if (used * 100.0 < total * policy.disk_high_percent) return 0;
  const double excess = used - total * policy.disk_low_percent / 100.0;
  return excess > 0 ? static_cast<std::uint64_t>(excess) : 0;
}

GcVictim Victim(const StoredTaskSummary& task, GcReason reason) {
  return {task.kind, task.id, task.content_length, reason};
}

}  // namespace

std::vector<GcVictim> ChooseVictims(const std::vector<StoredTaskSummary>& tasks,
                                    const DiskUsage& disk, const GcPolicy& policy, WallTime now) {
  std::vector<GcVictim> victims;
  std::vector<const StoredTaskSummary*> for_room;
  std::uint64_t freed = 0;
  for (const StoredTaskSummary& task : tasks) {
    if (task.pinned) continue;
    if (IsExpired(task, policy, now)) {
      victims.push_back(Victim(task, GcReason::kExpired));
      freed += task.content_length;
    } else if (MayGoForRoom(task, policy, now)) {
      for_room.push_back(&task);
    }
  }
  const std::uint64_t excess = Excess(disk, policy);
  std::sort(for_room.begin(), for_room.end(),
            [](const StoredTaskSummary* a, const StoredTaskSummary* b) {
              return UsedAt(*a) != UsedAt(*b) ? UsedAt(*a) < UsedAt(*b) : a->id < b->id;
            });
  for (const StoredTaskSummary* task : for_room) {
    if (freed >= excess) break;
    // An empty task frees nothing.
    if (task->content_length == 0) continue;
    victims.push_back(Victim(*task, GcReason::kDiskFull));
    freed += task->content_length;
  }
  return victims;
}

}  // namespace dragonfly::dfdaemon
