#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "dfdaemon/storage/content_files.h"
#include "dfdaemon/storage/task_state.h"

namespace dragonfly::dfdaemon {

/// Compares the pieces of suspect tasks with their checksums, on a thread of its own. Until a
/// piece's turn came it counts as being in progress, so whoever needs it waits for the event.
/// Thread-safe.
class Verifier {
 public:
  /// Starts the thread. `warn` is told of every task that lost pieces.
  Verifier(std::vector<std::shared_ptr<TaskState>> tasks, std::shared_ptr<ContentFiles> files,
           std::function<void(const std::string&)> warn);
  /// Stops within one read; tasks that were not finished stay suspect.
  ~Verifier();

  /// Somebody waits for this task: takes it next.
  void Hurry(const TaskState& task);

 private:
  void Run();
  void Verify(TaskState& task);

  const std::shared_ptr<ContentFiles> files_;
  const std::function<void(const std::string&)> warn_;
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  std::deque<std::shared_ptr<TaskState>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace dragonfly::dfdaemon
