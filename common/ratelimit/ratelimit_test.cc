#include <atomic>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/async/task_group.h"
#include "common/ratelimit/rate_limiter.h"
#include "common/ratelimit/token_bucket.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"

namespace dragonfly {
namespace {

using std::chrono::duration;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::ElementsAre;

constexpr SteadyTime kStart(seconds(1000));

TEST(TokenBucketTest, GivesTheBurstAndThenTheRate) {
  TokenBucket bucket(100, 10, kStart);
  EXPECT_TRUE(bucket.Take(10, kStart));
  EXPECT_FALSE(bucket.Take(1, kStart));
  EXPECT_EQ(bucket.WaitFor(1, kStart), milliseconds(10));
  EXPECT_FALSE(bucket.Take(1, kStart + milliseconds(10) - nanoseconds(1)));
  EXPECT_TRUE(bucket.Take(1, kStart + milliseconds(10)));
}

TEST(TokenBucketTest, NeverHoldsMoreThanTheBurst) {
  TokenBucket bucket(100, 10, kStart);
  const SteadyTime later = kStart + hours(24);
  EXPECT_TRUE(bucket.Take(10, later));
  EXPECT_FALSE(bucket.Take(1, later));
}

TEST(TokenBucketTest, LetsALargeTakingGoIntoDebt) {
  TokenBucket bucket(100, 10, kStart);
  EXPECT_TRUE(bucket.Take(1000, kStart));
  EXPECT_EQ(bucket.WaitFor(1, kStart), nanoseconds(9'910'000'000));
  EXPECT_EQ(bucket.WaitFor(1000, kStart), seconds(10)) << "until the bucket is full";
}

TEST(TokenBucketTest, IsExactForRatesThatDoNotDivideASecond) {
  TokenBucket bucket(3, 1, kStart);
  std::uint64_t taken = 0;
  SteadyTime now = kStart;
  while (now < kStart + seconds(1000)) {
    if (bucket.Take(1, now)) ++taken;
    now += bucket.WaitFor(1, now);
  }
  EXPECT_NEAR(static_cast<double>(taken), 3000, 2);
}

TEST(TokenBucketTest, StandsTheLargestNumbers) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  TokenBucket bucket(kMax, kMax, kStart);
  EXPECT_TRUE(bucket.Take(kMax, kStart));
  EXPECT_LE(bucket.WaitFor(kMax, kStart), seconds(2));
  EXPECT_TRUE(bucket.Take(kMax, SteadyTime::max()));
  TokenBucket slow(1, 1, kStart);
  EXPECT_TRUE(slow.Take(kMax, kStart));
  EXPECT_GT(slow.WaitFor(1, kStart), hours(24 * 364));
}

TEST(TokenBucketTest, StandsATimeThatGoesBack) {
  TokenBucket bucket(100, 10, kStart);
  EXPECT_TRUE(bucket.Take(10, kStart));
  EXPECT_FALSE(bucket.Take(1, kStart - seconds(5)));
}

TEST(TokenBucketTest, ChangesItsRateWithoutForgettingDebts) {
  TokenBucket bucket(100, 10, kStart);
  EXPECT_TRUE(bucket.Take(110, kStart));
  bucket.SetRate(1000, 10, kStart);
  EXPECT_EQ(bucket.WaitFor(10, kStart), milliseconds(110));
}

// Takes `n` tokens again and again until `deadline`.
Awaitable<> TakeUntil(RateLimiter& limiter, std::uint64_t n, SteadyTime deadline,
                      std::atomic<std::uint64_t>& taken) {
  while (std::chrono::steady_clock::now() < deadline) {
    co_await limiter.Acquire(n);
    taken += n;
  }
}

TEST(RateLimiterTest, HoldsTheRateForManyWaitersOnManyThreads) {
  constexpr std::uint64_t kRate = 50'000'000;
  RateLimiter limiter(kRate);
  Runtime runtime("limit", 2);
  std::atomic<std::uint64_t> taken = 0;
  const SteadyTime start = std::chrono::steady_clock::now();
  {
    TaskGroup first(runtime.executor(0));
    TaskGroup second(runtime.executor(1));
    for (int i = 0; i < 4; ++i) {
      for (TaskGroup* group : {&first, &second}) {
        group->Spawn(TakeUntil(limiter, 100'000 + static_cast<std::uint64_t>(i) * 31'000,
                               start + milliseconds(600), taken));
      }
    }
    RunCoro(runtime.executor(0), first.Drain());
    RunCoro(runtime.executor(0), second.Drain());
  }
  const double elapsed = duration<double>(std::chrono::steady_clock::now() - start).count();
  // The burst at the start is 200 ms' worth.
  const double allowed = static_cast<double>(kRate) * (elapsed + 0.2);
  EXPECT_LE(static_cast<double>(taken), allowed * 1.01);
  EXPECT_GE(static_cast<double>(taken), allowed * 0.9) << "after " << elapsed << " s";
  EXPECT_EQ(limiter.waiting(), 0U);
}

Awaitable<> TakeAndTell(RateLimiter& limiter, std::uint64_t n, int name, std::vector<int>& order) {
  co_await limiter.Acquire(n);
  order.push_back(name);
}

TEST(RateLimiterTest, ServesInTheOrderOfArrivalWhateverTheSize) {
  TestLoop loop;
  RateLimiter limiter(1000, 10);
  ASSERT_TRUE(limiter.TryAcquire(10));
  std::vector<int> order;
  TaskGroup group(loop.executor());
  group.Spawn(TakeAndTell(limiter, 20, 1, order));
  group.Spawn(TakeAndTell(limiter, 1, 2, order));
  group.Spawn(TakeAndTell(limiter, 5, 3, order));
  loop.Run(group.Drain());
  EXPECT_THAT(order, ElementsAre(1, 2, 3));
}

TEST(RateLimiterTest, DoesNotOvertakeWaitersByTrying) {
  TestLoop loop;
  RateLimiter limiter(1000, 10);
  ASSERT_TRUE(limiter.TryAcquire(10));
  std::vector<int> order;
  TaskGroup group(loop.executor());
  group.Spawn(TakeAndTell(limiter, 10, 1, order));
  loop.Run(CoWaitFor([&] { return limiter.waiting() == 1; }));
  EXPECT_FALSE(limiter.TryAcquire(1));
  loop.Run(group.Drain());
}

TEST(RateLimiterTest, ACancelledWaiterLeavesItsPlaceToTheNext) {
  TestLoop loop;
  RateLimiter limiter(1000, 10);
  // A debt of an hour would be paid by whoever comes after, were it taken.
  ASSERT_TRUE(limiter.TryAcquire(10));
  std::vector<int> order;
  TaskGroup doomed(loop.executor());
  TaskGroup others(loop.executor());
  RateLimiter slow(1, 3'600);
  ASSERT_TRUE(slow.TryAcquire(3'600));
  doomed.Spawn(TakeAndTell(slow, 3'600, 1, order));
  loop.Run(CoWaitFor([&] { return slow.waiting() == 1; }));
  others.Spawn(TakeAndTell(slow, 1, 2, order));
  loop.Run(CoWaitFor([&] { return slow.waiting() == 2; }));
  loop.Run(doomed.Stop());
  EXPECT_EQ(slow.waiting(), 1U);
  loop.Run(others.Drain());
  EXPECT_THAT(order, ElementsAre(2));
}

TEST(RateLimiterTest, ANewRateReachesThoseWhoWait) {
  TestLoop loop;
  RateLimiter limiter(1, 1);
  std::vector<int> order;
  TaskGroup group(loop.executor());
  ASSERT_TRUE(limiter.TryAcquire(1));
  for (int i = 0; i < 3; ++i) group.Spawn(TakeAndTell(limiter, 1'000'000, i, order));
  loop.Run(CoWaitFor([&] { return limiter.waiting() == 3; }));
  limiter.SetRate(0);
  loop.Run(group.Drain());
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

Awaitable<std::uint64_t> AcquireMany(RateLimiter& limiter, std::uint64_t times) {
  for (std::uint64_t i = 0; i < times; ++i) co_await limiter.Acquire(1'000'000'000'000);
  co_return times;
}

TEST(RateLimiterTest, UnlimitedNeverWaits) {
  RateLimiter limiter(0);
  EXPECT_TRUE(limiter.unlimited());
  EXPECT_EQ(RunCoro(AcquireMany(limiter, 10'000)), 10'000U);
}

}  // namespace
}  // namespace dragonfly
