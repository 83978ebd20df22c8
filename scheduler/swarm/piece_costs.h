#pragma once

#include <cstdint>

#include "common/base/clock.h"

namespace dragonfly::scheduler {

/// How long a peer's pieces took, in constant memory: running sums over the whole history, as
/// v2.4.0 judges it (v2.5.1 looks at the last 2000 only).
class PieceCosts {
 public:
  void Append(Duration cost);
  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// Whether the last piece took far longer than all earlier ones: with fewer than 2000 costs more
  /// than 20 times their mean, else more than their mean and three standard deviations.
  [[nodiscard]] bool LastIsOutlier() const;

 private:
  std::uint64_t count_ = 0;
  double last_ = 0;
  // Of all but the last one.
  double sum_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // Sum of squared distances from the mean, by Welford's method.
};

}  // namespace dragonfly::scheduler
