#pragma once

#include <atomic>
#include <chrono>

#include "common/base/clock.h"

namespace dragonfly {

/// Time that moves only when told to. Thread-safe. The steady time begins at one hour, so that
/// tests may look back; the wall time at 2026-01-01T00:00:00Z.
class FakeClock final : public Clock {
 public:
  FakeClock() = default;
  explicit FakeClock(WallTime wall) : wall_start_(wall) {}

  [[nodiscard]] SteadyTime Now() const override {
    return SteadyTime(std::chrono::hours(1)) + passed();
  }
  [[nodiscard]] WallTime WallNow() const override {
    return wall_start_ + std::chrono::duration_cast<WallTime::duration>(passed());
  }
  void Advance(Duration by) { passed_.fetch_add(by.count()); }

 private:
  [[nodiscard]] Duration passed() const { return Duration(passed_.load()); }

  const WallTime wall_start_{std::chrono::sys_days(std::chrono::year(2026) / 1 / 1)};
  std::atomic<Duration::rep> passed_{0};
};

}  // namespace dragonfly
