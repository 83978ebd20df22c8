#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/base/clock.h"

namespace dragonfly::dfdaemon {

/// How fast a link moves bytes just now, and how fast it was seen to move them. Decides only: no I/O,
/// no clock. Not thread-safe.
class LinkGauge {
 public:
  /// Bytes that arrived, or that the other side confirmed, up to `now`.
  void Moved(SteadyTime now, std::uint64_t bytes);

  /// Bytes per second over the last fifth of a second, also when bytes began to move later than that;
  /// from a shorter time only when so many moved that no buffer on the way can have swallowed them.
  [[nodiscard]] double rate(SteadyTime now);
  /// The highest rate there was, halved for every 20 s since; 0 when nothing was moved yet. A lower
  /// bound of what the link can carry.
  [[nodiscard]] double capacity(SteadyTime now);
  /// The highest rate of about the last second.
  [[nodiscard]] double recent(SteadyTime now);
  /// The link was filled and did not move more than now: capacity() was too high. Lowers it by a
  /// quarter at most, because a moment says little.
  void Correct(SteadyTime now);

 private:
  static constexpr std::size_t kBuckets = 8;

  void Advance(SteadyTime now);
  [[nodiscard]] double Rate() const;

  // The bucket that is being filled, and those before it, the newest last.
  std::int64_t bucket_ = 0;  // Its number; 0: never used.
  std::uint64_t filling_ = 0;
  std::array<std::uint64_t, kBuckets> full_{};
  std::size_t history_ = 0;  // Full buckets since bytes began to move.
  double capacity_ = 0;
  double recent_ = 0;
};

}  // namespace dragonfly::dfdaemon
