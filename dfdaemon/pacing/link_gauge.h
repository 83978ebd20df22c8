#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/base/clock.h"

namespace dragonfly::dfdaemon {

/// How fast a link moves bytes just now, and how fast it was seen to move them. Decides only: no
/// I/O, no clock. Not thread-safe.
class LinkGauge {
 public:
  /// Bytes that arrived, or that the other side confirmed, up to `now`.
  void Moved(SteadyTime now, std::uint64_t bytes);

  /// Bytes per second over the time before, up to 3 s, in steps of 25 ms.
  [[nodiscard]] double rate(SteadyTime now, Duration over);
  /// The highest rate that there was over a fifth of a second, on slow links over the time that
  /// 1 MiB took (up to 3 s), halved for every 20 s since; 0 when nothing was moved yet. A lower
  /// bound of what the link can carry. A shorter time counts only when so many bytes moved that no
  /// buffer on the way can have swallowed them.
  [[nodiscard]] double capacity(SteadyTime now);
  /// The link was filled and moved only `rate`: capacity() was too high. Lowers it by a quarter at
  /// most, because a moment says little.
  void Correct(double rate);

 private:
  static constexpr std::size_t kBuckets = 120;

  void Advance(SteadyTime now);
  [[nodiscard]] std::uint64_t Sum(std::size_t buckets) const;
  [[nodiscard]] double Peak() const;

  // The bucket that is being filled, and a ring of those before it.
  std::int64_t bucket_ = 0;  // Its number; 0: never used.
  std::uint64_t filling_ = 0;
  std::array<std::uint64_t, kBuckets> full_{};
  double capacity_ = 0;
};

}  // namespace dragonfly::dfdaemon
