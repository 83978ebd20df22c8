#pragma once

#include <cstdint>

#include "common/base/clock.h"

namespace dragonfly {

/// A token bucket as pure arithmetic: exact for every rate, no clock of its own. Not thread-safe.
///
/// The bucket is full at the start. A taking that is larger than the bucket waits until it is full
/// and leaves a debt, so the long-run rate holds whatever the sizes.
class TokenBucket {
 public:
  /// `rate` in tokens per second, 0 = unlimited; `burst` in tokens, at least 1 is used.
  TokenBucket(std::uint64_t rate, std::uint64_t burst, SteadyTime now);

  [[nodiscard]] bool unlimited() const { return rate_ == 0; }
  [[nodiscard]] std::uint64_t rate() const { return rate_; }
  /// Keeps what is in the bucket, as far as it fits.
  void SetRate(std::uint64_t rate, std::uint64_t burst, SteadyTime now);

  /// Takes `n` tokens if they are there (or the bucket is full); otherwise changes nothing.
  [[nodiscard]] bool Take(std::uint64_t n, SteadyTime now);
  /// How long from `now` until Take(n) succeeds if nobody else takes; zero when it would now.
  [[nodiscard]] Duration WaitFor(std::uint64_t n, SteadyTime now);

 private:
  // Billionths of a token, so that nanoseconds times rate needs no rounding.
  using Nano = __int128;

  void Refill(SteadyTime now);
  [[nodiscard]] Nano Needed(std::uint64_t n) const;

  std::uint64_t rate_;
  Nano capacity_;
  Nano level_;
  SteadyTime refilled_;
};

}  // namespace dragonfly
