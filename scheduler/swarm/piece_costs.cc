#include "scheduler/swarm/piece_costs.h"

#include <cmath>

namespace dragonfly::scheduler {
namespace {

// Go scheduler/scheduling/evaluator/evaluator.go, v2.4.0.
constexpr std::uint64_t kNormalDistributionFrom = 2000;
constexpr double kOutlierFactor = 20;
constexpr double kOutlierDeviations = 3;

}  // namespace

void PieceCosts::Append(Duration cost) {
  if (count_ > 0) {
    sum_ += last_;
    const double before = last_ - mean_;
    mean_ += before / static_cast<double>(count_);
    squares_ += before * (last_ - mean_);
  }
  last_ = static_cast<double>(cost.count());
  ++count_;
}

bool PieceCosts::LastIsOutlier() const {
  if (count_ < 2) return false;
  const auto earlier = static_cast<double>(count_ - 1);
  const double mean = sum_ / earlier;
  if (count_ < kNormalDistributionFrom) return last_ > mean * kOutlierFactor;
  return last_ > mean + kOutlierDeviations * std::sqrt(squares_ / earlier);
}

}  // namespace dragonfly::scheduler
