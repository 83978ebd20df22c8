#pragma once

#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// What differs between the kinds of tasks. The driver is the same for all.
struct TaskPolicy {
  /// Whether this daemon can download the kind at all.
  bool supported = false;
  /// Whether pieces that no peer has may come from a source.
  bool has_source = true;
};

[[nodiscard]] constexpr TaskPolicy PolicyOf(TaskKind kind) {
  switch (kind) {
    case TaskKind::kStandard:
      return {.supported = true, .has_source = true};
    case TaskKind::kPersistent:
      return {.supported = false, .has_source = true};
    case TaskKind::kPersistentCache:
      // Its content was uploaded to a peer; there is nothing else to read it from.
      return {.supported = false, .has_source = false};
  }
  return {};
}

}  // namespace dragonfly::dfdaemon
