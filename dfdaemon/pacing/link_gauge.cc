#include "dfdaemon/pacing/link_gauge.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace dragonfly::dfdaemon {
namespace {

constexpr auto kBucket = std::chrono::milliseconds(25);
constexpr double kBucketSeconds = 0.025;
constexpr std::size_t kFewestBuckets = 8;
constexpr double kHalfLifeSeconds = 20;
constexpr double kCorrection = 0.75;
// Bytes are counted in portions of up to 256 KiB; how fast fewer than a few of them came is chance.
constexpr std::uint64_t kEnough = 1 << 20;
// More than a shaper lets through in a burst.
constexpr std::uint64_t kNoBurst = 16 << 20;

}  // namespace

std::uint64_t LinkGauge::Sum(std::size_t buckets) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 1; i <= buckets; ++i) {
    sum += full_[static_cast<std::size_t>(bucket_ - static_cast<std::int64_t>(i)) % kBuckets];
  }
  return sum;
}

double LinkGauge::Peak() const {
  const std::uint64_t newest = Sum(1);
  if (newest >= kNoBurst) return static_cast<double>(newest) / kBucketSeconds;
  std::uint64_t sum = 0;
  std::size_t buckets = kFewestBuckets / 2;
  do {
    buckets = std::min(2 * buckets, kBuckets);
    sum = Sum(buckets);
  } while (sum < kEnough && buckets < kBuckets);
  return static_cast<double>(sum) / (static_cast<double>(buckets) * kBucketSeconds);
}

void LinkGauge::Advance(SteadyTime now) {
  const std::int64_t bucket = now.time_since_epoch() / kBucket;
  if (bucket_ == 0) bucket_ = bucket;
  if (bucket <= bucket_) return;
  const std::int64_t passed = bucket - bucket_;
  full_[static_cast<std::size_t>(bucket_++) % kBuckets] = std::exchange(filling_, 0);
  capacity_ = std::max(capacity_, Peak());
  // Nothing moved since.
  const auto empty = std::min(passed - 1, static_cast<std::int64_t>(kBuckets));
  for (std::int64_t i = 0; i < empty; ++i) {
    full_[static_cast<std::size_t>(bucket_ + i) % kBuckets] = 0;
  }
  bucket_ = bucket;
  capacity_ *= std::exp2(-static_cast<double>(passed) * kBucketSeconds / kHalfLifeSeconds);
}

void LinkGauge::Moved(SteadyTime now, std::uint64_t bytes) {
  Advance(now);
  filling_ += bytes;
}

double LinkGauge::rate(SteadyTime now, Duration over) {
  Advance(now);
  const auto buckets = static_cast<std::size_t>(
      std::clamp<std::int64_t>(over / kBucket, 1, static_cast<std::int64_t>(kBuckets)));
  return static_cast<double>(Sum(buckets)) / (static_cast<double>(buckets) * kBucketSeconds);
}

void LinkGauge::Correct(double rate) { capacity_ = std::max(rate, capacity_ * kCorrection); }

double LinkGauge::capacity(SteadyTime now) {
  Advance(now);
  return capacity_;
}

}  // namespace dragonfly::dfdaemon
