#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/async/awaitable.h"
#include "common/base/mutex.h"
#include "common/ratelimit/token_bucket.h"

namespace dragonfly {

/// A shared rate: bytes or requests per second. Waiters are served first come, first served; the
/// rate holds whatever their sizes. Thread-safe; waiters may live on different executors, and the
/// limiter must outlive them.
class RateLimiter {
 public:
  /// `rate` in tokens per second; 0 = unlimited, which costs one relaxed load per call. `burst` in
  /// tokens: what may pass at once after a pause; 0 = what 200 ms bring.
  explicit RateLimiter(std::uint64_t rate, std::uint64_t burst = 0);
  ~RateLimiter();
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  [[nodiscard]] bool unlimited() const { return unlimited_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t rate() const;
  /// From now on, also for those who wait.
  void SetRate(std::uint64_t rate, std::uint64_t burst = 0);

  /// Takes `n` tokens if nobody waits and they are there. For limits that refuse instead of waiting.
  [[nodiscard]] bool TryAcquire(std::uint64_t n);

  /// Returns when `n` tokens are ours; `n` may exceed the burst. A cancelled wait takes nothing.
  Awaitable<> Acquire(std::uint64_t n);

  /// Coroutines that wait now.
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Waiter;
  class Place;
  using Queue = std::list<std::shared_ptr<Waiter>>;
  using Wakes = std::vector<std::shared_ptr<Waiter>>;

  // Grants to the head of the queue while tokens are there; adds those who have to look again.
  void Serve(SteadyTime now, Wakes& wakes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Wake(const Wakes& wakes);

  std::atomic<bool> unlimited_;
  mutable Mutex mutex_;
  TokenBucket bucket_ ABSL_GUARDED_BY(mutex_);
  Queue queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly
