#pragma once

#include "common/base/clock.h"

namespace dragonfly::scheduler {

/// Turns the steady times of the swarm into those that leave the process, and back.
struct Times {
  SteadyTime steady;
  WallTime wall;

  static Times Of(const Clock& clock) { return {clock.Now(), clock.WallNow()}; }
  [[nodiscard]] WallTime ToWall(SteadyTime time) const {
    return wall - std::chrono::duration_cast<WallTime::duration>(steady - time);
  }
  /// What lies in the future, because a clock was set back, is now.
  [[nodiscard]] SteadyTime ToSteady(WallTime time) const {
    return time >= wall ? steady
                        : steady - std::chrono::duration_cast<SteadyTime::duration>(wall - time);
  }
};

}  // namespace dragonfly::scheduler
