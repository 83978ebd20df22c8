#include "dfdaemon/pacing/stream_limit.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kPiece = 4 << 20;
const SteadyTime kStart{std::chrono::hours(1)};

// A link with transfers that always want to begin. `rate` tells what n of them move together.
class Link {
 public:
  explicit Link(std::function<double(std::uint32_t)> rate, std::uint32_t max = 64)
      : rate_(std::move(rate)), limit_({.max = max}) {}

  // Runs for a while; the average number of transfers in its second half.
  double Run(Duration time) {
    const SteadyTime half = now_ + time / 2;
    const SteadyTime end = now_ + time;
    double sum = 0;
    int count = 0;
    for (; now_ < end; now_ += milliseconds(5)) {
      while (limit_.MayBegin(now_, kPiece)) {
        limit_.Began(now_);
        left_.push_back(kPiece);
      }
      const double bytes = rate_(limit_.active()) * 0.005;
      limit_.Moved(now_, static_cast<std::uint64_t>(bytes));
      for (double& left : left_) left -= bytes / static_cast<double>(left_.size());
      const auto ended = std::erase_if(left_, [](double left) { return left <= 0; });
      for (std::size_t i = 0; i < ended; ++i) limit_.Ended(now_);
      if (now_ >= half) {
        sum += limit_.active();
        ++count;
      }
    }
    return sum / count;
  }

  StreamLimit& limit() { return limit_; }

 private:
  const std::function<double(std::uint32_t)> rate_;
  StreamLimit limit_;
  SteadyTime now_ = kStart;
  std::vector<double> left_;
};

TEST(StreamLimitTest, OneAlwaysMay) {
  StreamLimit limit({.max = 1});
  EXPECT_TRUE(limit.MayBegin(kStart, kPiece));
  limit.Began(kStart);
  EXPECT_FALSE(limit.MayBegin(kStart + seconds(100), kPiece));
}

TEST(StreamLimitTest, OneFillsASlowLink) {
  Link link([](std::uint32_t) { return 12.5e6; });
  EXPECT_LT(link.Run(seconds(20)), 1.2);
}

TEST(StreamLimitTest, ABurstAtTheBeginningIsNotTakenForCapacity) {
  int steps = 0;
  Link link([&](std::uint32_t) { return ++steps == 1 ? 256'000 / 0.005 : 12.5e6; });
  EXPECT_LT(link.Run(seconds(4)), 1.4);
}

TEST(StreamLimitTest, ALinkThatBecameSlowIsNotTakenForIdle) {
  int steps = 0;
  Link link([&](std::uint32_t) { return ++steps < 400 ? 25e6 : 12.5e6; });
  EXPECT_LT(link.Run(seconds(10)), 1.4);
}

TEST(StreamLimitTest, AFastLinkIsKeptBusyForFiftyMilliseconds) {
  Link link([](std::uint32_t) { return 1.25e9; });
  EXPECT_NEAR(link.Run(seconds(2)), 1.25e9 * 0.05 / kPiece, 2);
}

TEST(StreamLimitTest, TransfersThatAreSlowThemselvesBecomeMany) {
  Link link([](std::uint32_t n) { return std::min(n * 1.25e6, 12.5e6); });
  EXPECT_GT(link.Run(seconds(20)), 6);
}

TEST(StreamLimitTest, NeverMoreThanTheMaximum) {
  Link link([](std::uint32_t n) { return n * 1.25e6; }, 8);
  EXPECT_LE(link.Run(seconds(20)), 8);
  EXPECT_GT(link.Run(seconds(20)), 4);
}

TEST(StreamLimitTest, AStuckTransferDoesNotHoldUpTheRest) {
  StreamLimit limit({.max = 8});
  SteadyTime now = kStart;
  limit.Began(now);
  for (; now < kStart + seconds(1); now += milliseconds(5)) limit.Moved(now, 62'500);
  EXPECT_FALSE(limit.MayBegin(kStart + milliseconds(20), kPiece));
  // Nothing moves any more.
  now += milliseconds(300);
  EXPECT_TRUE(limit.MayBegin(now, kPiece));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
