#pragma once

#include <cstdint>
#include <vector>

#include "common/async/awaitable.h"
#include "common/ratelimit/rate_limiter.h"

namespace dragonfly::dfdaemon {

/// Pays for received bytes at every limiter, in steps that are large enough not to stop the stream
/// for each block. Belongs to one transfer.
class BandwidthMeter {
 public:
  explicit BandwidthMeter(const std::vector<RateLimiter*>& limiters) : limiters_(limiters) {}

  /// Counts bytes; false when reading has to wait for Settle().
  [[nodiscard]] bool Count(std::uint64_t bytes) {
    unpaid_ += bytes;
    return unpaid_ < kStepBytes || Pay();
  }
  /// Returns when everything counted is paid.
  Awaitable<> Settle() {
    if (unpaid_ == 0) co_return;
    const std::uint64_t bytes = unpaid_;
    const std::size_t first = paid_limiters_;
    unpaid_ = 0;
    paid_limiters_ = 0;
    for (std::size_t i = first; i < limiters_.size(); ++i) co_await limiters_[i]->Acquire(bytes);
  }

 private:
  static constexpr std::uint64_t kStepBytes = 256 * 1024;

  bool Pay() {
    for (; paid_limiters_ < limiters_.size(); ++paid_limiters_) {
      RateLimiter& limiter = *limiters_[paid_limiters_];
      if (!limiter.unlimited() && !limiter.TryAcquire(unpaid_)) return false;
    }
    unpaid_ = 0;
    paid_limiters_ = 0;
    return true;
  }

  const std::vector<RateLimiter*>& limiters_;
  std::uint64_t unpaid_ = 0;
  std::size_t paid_limiters_ = 0;  // That have got unpaid_ already.
};

}  // namespace dragonfly::dfdaemon
