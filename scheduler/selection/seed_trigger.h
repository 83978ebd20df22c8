#pragma once

#include <string>

#include "common/base/types.h"

namespace dragonfly::scheduler {

struct SeedRequest {
  TaskId task_id;
  /// The common.v2.Download message of the peer that asked.
  std::string download;
};

/// How a shard makes a seed peer fetch a task. Called on the shard.
class SeedTrigger {
 public:
  virtual ~SeedTrigger() = default;
  /// Whether Trigger() has anyone to ask.
  [[nodiscard]] virtual bool HasAvailable() const = 0;
  /// Returns at once. The end comes back as Dispatcher::SeedingEnded(), once, never inside this
  /// call.
  virtual void Trigger(SeedRequest request) = 0;
};

}  // namespace dragonfly::scheduler
