#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

struct GcPolicy {
  /// gc.policy.taskTTL: a standard task goes when nobody used it for that long.
  std::chrono::milliseconds task_ttl{6 * 3600 * 1000};
  /// At this share of the disk, tasks go until the lower one is reached; percent, low < high.
  unsigned disk_high_percent = 80;
  unsigned disk_low_percent = 60;
  /// A task that is neither finished nor failed may be one that is coming in; it does not go for
  /// room until it is that old.
  std::chrono::milliseconds unfinished_protected{std::chrono::hours(24)};
};

enum class GcReason : std::uint8_t {
  kExpired,
  kDiskFull,
};

struct GcVictim {
  TaskKind kind = TaskKind::kStandard;
  TaskId id;
  std::uint64_t content_length = 0;  ///< Bytes.
  GcReason reason = GcReason::kExpired;

  friend bool operator==(const GcVictim&, const GcVictim&) = default;
};

/// What to delete now, in that order. Never a pinned task. Pure.
///
/// Expired: a standard task by its last use (by its beginning while it is unfinished); a persistent
/// kind when its own ttl has passed since it was made, also when it is marked persistent.
/// For room, when the disk is fuller than disk_high_percent: the tasks whose last use is longest ago,
/// of all kinds together, but none that is marked persistent and none that is coming in.
[[nodiscard]] std::vector<GcVictim> ChooseVictims(const std::vector<StoredTaskSummary>& tasks,
                                                  const DiskUsage& disk, const GcPolicy& policy,
                                                  WallTime now);

}  // namespace dragonfly::dfdaemon
