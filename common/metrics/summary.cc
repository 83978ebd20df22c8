#include "common/metrics/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dragonfly {
namespace {

constexpr std::array kQuantiles{0.5, 0.9, 0.95, 0.99};
constexpr std::chrono::minutes kAgeLength{2};

}  // namespace

std::size_t Summary::BucketOf(double value) {
  if (!(value > 0)) return 0;
  int exponent = 0;
  // 0.5 to 1, so that value = fraction * 2^exponent.
  const double fraction = std::frexp(value, &exponent);
  exponent -= 1 + kLowestExponent;
  if (exponent < 0) return 0;
  if (exponent >= static_cast<int>(kExponents)) return kBuckets - 1;
  const auto part = static_cast<std::size_t>((fraction - 0.5) * 2 * kParts);
  return static_cast<std::size_t>(exponent) * kParts + std::min(part, kParts - 1);
}

double Summary::MiddleOf(std::size_t bucket) {
  const double fraction = 1 + (static_cast<double>(bucket % kParts) + 0.5) / kParts;
  return std::ldexp(fraction, static_cast<int>(bucket / kParts) + kLowestExponent);
}

std::int64_t Summary::AgeNumber(SteadyTime now) { return now.time_since_epoch() / kAgeLength; }

void Summary::Observe(double value, SteadyTime now) {
  const std::int64_t number = AgeNumber(now);
  Age& age = ages_[static_cast<std::size_t>(number) % kAges];
  if (age.number.load(std::memory_order_acquire) != number) {
    const MutexLock lock(turning_);
    if (age.number.load(std::memory_order_relaxed) < number) {
      // What others observe in this very moment may be lost with the old counts.
      for (auto& count : age.counts) count.store(0, std::memory_order_relaxed);
      age.number.store(number, std::memory_order_release);
    }
  }
  age.counts[BucketOf(value)].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

prometheus::ClientMetric Summary::Collect(SteadyTime now) const {
  const std::int64_t oldest = AgeNumber(now) - static_cast<std::int64_t>(kAges) + 1;
  std::vector<std::uint64_t> counts(kBuckets);
  std::uint64_t total = 0;
  for (const Age& age : ages_) {
    if (age.number.load(std::memory_order_acquire) < oldest) continue;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      const std::uint32_t count = age.counts[i].load(std::memory_order_relaxed);
      counts[i] += count;
      total += count;
    }
  }
  prometheus::ClientMetric metric;
  metric.summary.sample_count = count_.load(std::memory_order_relaxed);
  metric.summary.sample_sum = sum_.load(std::memory_order_relaxed);
  std::size_t bucket = 0;
  std::uint64_t below = 0;
  for (const double quantile : kQuantiles) {
    double value = std::numeric_limits<double>::quiet_NaN();
    if (total > 0) {
      const auto rank =
          static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(total)));
      while (below + counts[bucket] < rank) below += counts[bucket++];
      value = MiddleOf(bucket);
    }
    metric.summary.quantile.push_back({quantile, value});
  }
  return metric;
}

Summary& SummaryFamily::Add(const Labels& labels) {
  const MutexLock lock(mutex_);
  for (const auto& [known, summary] : summaries_) {
    if (known == labels) return *summary;
  }
  return *summaries_.emplace_back(labels, std::make_unique<Summary>()).second;
}

std::vector<prometheus::MetricFamily> SummaryFamily::Collect() const {
  std::vector<prometheus::MetricFamily> families(1);
  prometheus::MetricFamily& family = families.front();
  family.name = name_;
  family.help = help_;
  family.type = prometheus::MetricType::Summary;
  const SteadyTime now = clock_.Now();
  const MutexLock lock(mutex_);
  for (const auto& [labels, summary] : summaries_) {
    prometheus::ClientMetric metric = summary->Collect(now);
    metric.label = labels;
    family.metric.push_back(std::move(metric));
  }
  return families;
}

}  // namespace dragonfly
