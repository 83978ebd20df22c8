#pragma once

#include <chrono>

namespace dragonfly {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

[[nodiscard]] constexpr double ToSeconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// The time, as a parameter: code that decides never reads a clock of its own. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  /// For intervals and deadlines; never goes back.
  [[nodiscard]] virtual SteadyTime Now() const = 0;
  /// For timestamps that leave the process.
  [[nodiscard]] virtual WallTime WallNow() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime Now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

}  // namespace dragonfly
