#pragma once

#include <memory>

#include "common/async/task_group.h"
#include "common/base/random.h"
#include "dfdaemon/parents/blocklist.h"
#include "dfdaemon/task/digest_cache.h"
#include "dfdaemon/task/piece_jobs.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// What every download of this daemon works with; owned by the TaskManager and outlives them.
/// Runs on: the `io` executor.
struct TaskEnv {
  TaskManagerOptions options;
  TaskManager::Collaborators with;
  ParentBlocklist blocklist;
  Downlink downlink;
  DigestCache digests;
  Random random;
  /// Drivers and what outlives them for moments: conversations that end, prefetches.
  TaskGroup background;
};

}  // namespace dragonfly::dfdaemon
