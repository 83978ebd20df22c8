#include "common/ratelimit/rate_limiter.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/base/check.h"

namespace dragonfly {
namespace {

std::uint64_t BurstFor(std::uint64_t rate, std::uint64_t burst) {
  return burst != 0 ? burst : std::max<std::uint64_t>(rate / 5, 1);
}

}  // namespace

struct RateLimiter::Waiter {
  Waiter(asio::any_io_executor its_executor, std::uint64_t tokens)
      : executor(std::move(its_executor)), timer(executor), n(tokens) {}

  asio::any_io_executor executor;
  asio::steady_timer timer;  // Touched on `executor` only.
  std::uint64_t n;
  // Both under the limiter's mutex.
  bool granted = false;
  Queue::iterator position;
};

// A waiter's stay in the queue; leaves it when the coroutine is cancelled.
class RateLimiter::Place {
 public:
  Place(RateLimiter& limiter, std::shared_ptr<Waiter> waiter)
      : limiter_(limiter), waiter_(std::move(waiter)) {}
  ~Place() {
    Wakes wakes;
    {
      MutexLock lock(limiter_.mutex_);
      if (waiter_->granted) return;
      limiter_.queue_.erase(waiter_->position);
      limiter_.Serve(std::chrono::steady_clock::now(), wakes);
    }
    Wake(wakes);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  RateLimiter& limiter_;
  std::shared_ptr<Waiter> waiter_;
};

RateLimiter::RateLimiter(std::uint64_t rate, std::uint64_t burst)
    : unlimited_(rate == 0),
      bucket_(rate, BurstFor(rate, burst), std::chrono::steady_clock::now()) {}

RateLimiter::~RateLimiter() { DF_DCHECK(waiting() == 0); }

std::uint64_t RateLimiter::rate() const {
  MutexLock lock(mutex_);
  return bucket_.rate();
}

std::size_t RateLimiter::waiting() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

void RateLimiter::SetRate(std::uint64_t rate, std::uint64_t burst) {
  Wakes wakes;
  {
    MutexLock lock(mutex_);
    const SteadyTime now = std::chrono::steady_clock::now();
    bucket_.SetRate(rate, BurstFor(rate, burst), now);
    unlimited_.store(rate == 0, std::memory_order_relaxed);
    Serve(now, wakes);
  }
  Wake(wakes);
}

void RateLimiter::Serve(SteadyTime now, Wakes& wakes) {
  while (!queue_.empty() && bucket_.Take(queue_.front()->n, now)) {
    queue_.front()->granted = true;
    wakes.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  // The new head sets its timer by itself.
  if (!queue_.empty()) wakes.push_back(queue_.front());
}

void RateLimiter::Wake(const Wakes& wakes) {
  for (const auto& waiter : wakes) {
    asio::post(waiter->executor, [waiter] { waiter->timer.cancel(); });
  }
}

bool RateLimiter::TryAcquire(std::uint64_t n) {
  if (unlimited()) return true;
  MutexLock lock(mutex_);
  return queue_.empty() && bucket_.Take(n, std::chrono::steady_clock::now());
}

Awaitable<> RateLimiter::Acquire(std::uint64_t n) {
  if (TryAcquire(n)) co_return;
  auto waiter = std::make_shared<Waiter>(co_await asio::this_coro::executor, n);
  {
    MutexLock lock(mutex_);
    waiter->position = queue_.insert(queue_.end(), waiter);
  }
  const Place place(*this, waiter);
  for (;;) {
    Wakes wakes;
    SteadyTime look_again = SteadyTime::max();
    bool granted = false;
    {
      MutexLock lock(mutex_);
      if (!waiter->granted && queue_.front() == waiter) {
        const SteadyTime now = std::chrono::steady_clock::now();
        const Duration wait = bucket_.WaitFor(n, now);
        if (wait > Duration::zero()) {
          look_again = now + wait;
        } else {
          Serve(now, wakes);
        }
      }
      granted = waiter->granted;
    }
    Wake(wakes);
    if (granted) co_return;
    // Nobody but us touches the timer before the next co_await: the executor is serial.
    waiter->timer.expires_at(look_again);
    // Woken and cancelled look alike here; a cancelled coroutine throws at its next co_await.
    auto [error] = co_await waiter->timer.async_wait(kAwait);
    (void)error;
  }
}

}  // namespace dragonfly
