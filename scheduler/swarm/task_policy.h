#pragma once

#include "common/base/types.h"

namespace dragonfly::scheduler {

/// What tells the kinds of tasks apart. Everything else in the swarm is the same for all of them.
struct TaskPolicy {
  /// Whether a peer without parents may read the source: content of a persistent cache task was
  /// imported from a file and exists in peers only.
  bool may_back_to_source = true;
  /// Whether the first peer makes a seed peer fetch it. Copies of the other kinds are placed by
  /// replication.
  bool triggers_seed = true;
};

[[nodiscard]] constexpr TaskPolicy PolicyOf(TaskKind kind) {
  switch (kind) {
    case TaskKind::kStandard: return {.may_back_to_source = true, .triggers_seed = true};
    case TaskKind::kPersistent: return {.may_back_to_source = true, .triggers_seed = false};
    case TaskKind::kPersistentCache: return {.may_back_to_source = false, .triggers_seed = false};
  }
  return {};
}

}  // namespace dragonfly::scheduler
