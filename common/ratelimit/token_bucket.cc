#include "common/ratelimit/token_bucket.h"

#include <algorithm>
#include <chrono>

namespace dragonfly {
namespace {

constexpr std::uint64_t kNano = 1'000'000'000;
// A clock that stood still for longer fills any bucket; keeps the products within 128 bits.
constexpr std::uint64_t kMaxElapsedNanos = kNano * 3600 * 24 * 365;

}  // namespace

TokenBucket::TokenBucket(std::uint64_t rate, std::uint64_t burst, SteadyTime now)
    : rate_(rate),
      capacity_(static_cast<Nano>(std::max<std::uint64_t>(burst, 1)) * kNano),
      level_(capacity_),
      refilled_(now) {}

void TokenBucket::SetRate(std::uint64_t rate, std::uint64_t burst, SteadyTime now) {
  Refill(now);
  rate_ = rate;
  capacity_ = static_cast<Nano>(std::max<std::uint64_t>(burst, 1)) * kNano;
  level_ = std::min(level_, capacity_);
}

void TokenBucket::Refill(SteadyTime now) {
  if (now <= refilled_) return;
  const auto elapsed = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - refilled_).count());
  refilled_ = now;
  level_ = std::min(capacity_, level_ + static_cast<Nano>(std::min(elapsed, kMaxElapsedNanos)) *
                                            static_cast<Nano>(rate_));
}

TokenBucket::Nano TokenBucket::Needed(std::uint64_t n) const {
  return std::min(static_cast<Nano>(n) * kNano, capacity_);
}

bool TokenBucket::Take(std::uint64_t n, SteadyTime now) {
  if (rate_ == 0) return true;
  Refill(now);
  if (level_ < Needed(n)) return false;
  level_ -= static_cast<Nano>(n) * kNano;
  return true;
}

Duration TokenBucket::WaitFor(std::uint64_t n, SteadyTime now) {
  if (rate_ == 0) return Duration::zero();
  Refill(now);
  const Nano missing = Needed(n) - level_;
  if (missing <= 0) return Duration::zero();
  const Nano rate = static_cast<Nano>(rate_);
  const Nano nanos = (missing + rate - 1) / rate;
  // A debt of years: whoever waits gives up before.
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(std::min(nanos, static_cast<Nano>(kMaxElapsedNanos))));
}

}  // namespace dragonfly
