#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/blocking_pool.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "dfdaemon/gc/gc_plan.h"
#include "dfdaemon/gc/page_cache.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

struct GcOptions {
  std::chrono::milliseconds interval{900'000};  ///< gc.interval; the first run is at once.
  GcPolicy policy;
  /// gc.policy.pageCacheIdleTimeout: finished tasks unused for that long leave the page cache;
  /// 0 = never.
  std::chrono::milliseconds page_cache_idle{40 * 60'000};
};

/// Deletes tasks as gc_plan.h says, every now and then. Runs on: the executor given.
class GarbageCollector {
 public:
  struct Collaborators {
    asio::any_io_executor executor;
    BlockingPool& disk;
    const Clock& clock;
    Storage& storage;
    Logger log;
  };
  /// After a task was deleted, on the executor: for telling the scheduler.
  using OnRemoved = std::function<void(const GcVictim&)>;

  GarbageCollector(GcOptions options, Collaborators with, OnRemoved on_removed);
  GarbageCollector(const GarbageCollector&) = delete;
  GarbageCollector& operator=(const GarbageCollector&) = delete;

  /// Runs in the background until Stop().
  void Start();
  Awaitable<> Stop();

  /// One round; what it deleted. On the executor. Errors of single tasks are logged and the tasks
  /// left for the next round.
  Awaitable<absl::StatusOr<std::vector<GcVictim>>> RunOnce();

 private:
  Awaitable<> RunForever();
  Awaitable<> DropIdlePages(std::vector<StoredTaskSummary> tasks);

  const GcOptions options_;
  const Collaborators with_;
  const OnRemoved on_removed_;
  IdleTasks idle_tasks_;
  TaskGroup background_;
};

}  // namespace dragonfly::dfdaemon
