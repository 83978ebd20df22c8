#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// Remembers which finished tasks nobody has used for long, so that each is put out of the page cache
/// once per use. Belongs to one executor.
class IdleTasks {
 public:
  explicit IdleTasks(std::chrono::milliseconds idle_after) : idle_after_(idle_after) {}

  /// Tasks that have become idle since the last call. Forgets those that are gone.
  [[nodiscard]] std::vector<std::pair<TaskKind, TaskId>> Next(
      const std::vector<StoredTaskSummary>& tasks, WallTime now);

 private:
  const std::chrono::milliseconds idle_after_;
  absl::flat_hash_map<TaskId, WallTime> dropped_;  // With the last use of then.
};

/// Asks the kernel to forget the pages of a file; blocks. Failures do not matter.
void DropFromPageCache(const std::string& path);

}  // namespace dragonfly::dfdaemon
