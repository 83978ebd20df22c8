#include "dfdaemon/pacing/link_gauge.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

namespace dragonfly::dfdaemon {
namespace {

constexpr auto kBucket = std::chrono::milliseconds(25);
constexpr double kBucketSeconds = 0.025;
constexpr double kHalfLifeSeconds = 20;
constexpr double kCorrection = 0.75;
// Per bucket: little is left after a second.
constexpr double kForget = 0.97;
// More than a shaper lets through in a burst.
constexpr std::uint64_t kNoBurst = 16 << 20;

}  // namespace

double LinkGauge::Rate() const {
  if (history_ == 0) return 0;
  const std::size_t count = std::min(history_, kBuckets);
  const auto sum = std::accumulate(full_.end() - static_cast<std::ptrdiff_t>(count), full_.end(),
                                   std::uint64_t{0});
  const std::size_t buckets = sum >= kNoBurst ? count : kBuckets;
  return static_cast<double>(sum) / (static_cast<double>(buckets) * kBucketSeconds);
}

void LinkGauge::Advance(SteadyTime now) {
  const std::int64_t bucket = now.time_since_epoch() / kBucket;
  if (bucket_ == 0) bucket_ = bucket;
  if (bucket <= bucket_) return;
  const std::int64_t passed = bucket - bucket_;
  bucket_ = bucket;
  for (std::int64_t i = 0; i < passed; ++i) {
    if (history_ == 0 && filling_ == 0) {
      recent_ = 0;
      break;
    }
    std::rotate(full_.begin(), full_.begin() + 1, full_.end());
    full_.back() = filling_;
    filling_ = 0;
    ++history_;
    capacity_ = std::max(capacity_, Rate());
    recent_ = std::max(recent_ * kForget, Rate());
    // A link that rests begins anew.
    if (std::all_of(full_.begin(), full_.end(), [](std::uint64_t bytes) { return bytes == 0; })) {
      history_ = 0;
    }
  }
  capacity_ *= std::exp2(-static_cast<double>(passed) * kBucketSeconds / kHalfLifeSeconds);
}

void LinkGauge::Moved(SteadyTime now, std::uint64_t bytes) {
  Advance(now);
  filling_ += bytes;
}

double LinkGauge::rate(SteadyTime now) {
  Advance(now);
  return Rate();
}

void LinkGauge::Correct(SteadyTime now) {
  Advance(now);
  capacity_ = std::max(Rate(), capacity_ * kCorrection);
}

double LinkGauge::recent(SteadyTime now) {
  Advance(now);
  return recent_;
}

double LinkGauge::capacity(SteadyTime now) {
  Advance(now);
  return capacity_;
}

}  // namespace dragonfly::dfdaemon
