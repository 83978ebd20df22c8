#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "absl/base/thread_annotations.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace dragonfly {

/// Quantiles of what was observed in the last ten minutes, in constant memory (24 KiB) and time: the
/// library's Summary sorts every value into lists that grow with their number, which costs more than
/// what is measured. Values keep their first 4 bits, so a quantile is off by at most 3.2 %. Negative
/// values count as 0. Thread-safe.
class Summary {
 public:
  void Observe(double value, SteadyTime now);

  /// Quantiles 0.5, 0.9, 0.95 and 0.99; NaN when nothing was observed lately.
  [[nodiscard]] prometheus::ClientMetric Collect(SteadyTime now) const;

 private:
  // Powers of two from 2^-10 to 2^26, each in 16 equal parts; below and above count as the ends.
  static constexpr int kLowestExponent = -10;
  static constexpr std::size_t kExponents = 36;
  static constexpr std::size_t kParts = 16;
  static constexpr std::size_t kBuckets = kExponents * kParts;
  // Parts of the ten minutes: one is being filled, the oldest is forgotten as a whole.
  static constexpr std::size_t kAges = 5;

  struct Age {
    std::atomic<std::int64_t> number{-1};
    std::array<std::atomic<std::uint32_t>, kBuckets> counts{};
  };

  static std::size_t BucketOf(double value);
  static double MiddleOf(std::size_t bucket);
  static std::int64_t AgeNumber(SteadyTime now);

  std::array<Age, kAges> ages_;
  std::atomic<std::uint64_t> count_{0};
  std::atomic<double> sum_{0};
  Mutex turning_;
};

/// Summaries of one name and different labels. Thread-safe. Give it to MetricsPage::Add().
class SummaryFamily final : public prometheus::Collectable {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  SummaryFamily(std::string name, std::string help, const Clock& clock)
      : name_(std::move(name)), help_(std::move(help)), clock_(clock) {}

  /// The one with these labels; lives as long as the family.
  Summary& Add(const Labels& labels);

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string name_;
  const std::string help_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::vector<std::pair<Labels, std::unique_ptr<Summary>>> summaries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly
