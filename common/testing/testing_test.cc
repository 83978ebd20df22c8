#include <csignal>
#include <filesystem>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/async/sleep.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"

namespace dragonfly {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Gt;
using testing::Not;

Awaitable<int> AnswerLater(int answer) {
  co_await SleepFor(milliseconds(1));
  co_return answer;
}

Awaitable<> SleepTooLong() { co_await SleepFor(seconds(3600)); }

Awaitable<int> Throw() {
  co_await SleepFor(milliseconds(1));
  throw std::logic_error("boom");
}

TEST(RunCoroTest, ReturnsTheResult) {
  EXPECT_EQ(RunCoro(AnswerLater(3)), 3);
  TestLoop loop;
  EXPECT_EQ(loop.Run(AnswerLater(1)) + loop.Run(AnswerLater(2)), 3);
}

TEST(RunCoroTest, PassesExceptionsOn) { EXPECT_THROW(RunCoro(Throw()), std::logic_error); }

TEST(RunCoroTest, ThrowsWhenTheTimeIsOver) {
  EXPECT_THROW(RunCoro(SleepTooLong(), milliseconds(10)), std::runtime_error);
}

TEST(MatchersTest, LookAtStatusAndValue) {
  const absl::StatusOr<int> four = 4;
  const absl::StatusOr<int> none = absl::NotFoundError("no such task");
  EXPECT_THAT(four, IsOk());
  EXPECT_THAT(four, IsOkAndHolds(4));
  EXPECT_THAT(four, IsOkAndHolds(Gt(3)));
  EXPECT_THAT(four, Not(IsOkAndHolds(5)));
  EXPECT_THAT(none, Not(IsOkAndHolds(4)));
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kNotFound, "such"));
  EXPECT_THAT(none.status(), Not(StatusIs(absl::StatusCode::kNotFound, "host")));
  EXPECT_THAT(none.status(), Not(StatusIs(absl::StatusCode::kAborted)));
}

TEST(FakeClockTest, MovesOnlyWhenToldTo) {
  FakeClock clock;
  const SteadyTime before = clock.Now();
  const WallTime wall = clock.WallNow();
  clock.Advance(seconds(5));
  EXPECT_EQ(clock.Now() - before, seconds(5));
  EXPECT_EQ(clock.WallNow() - wall, seconds(5));
}

TEST(TempDirTest, IsRemovedWithItsContent) {
  std::string path;
  {
    TempDir dir;
    path = dir.path();
    WriteFile(dir.File("a"), "text");
    EXPECT_THAT(ReadFile(dir.File("a")), IsOkAndHolds("text"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ProcessTest, ReportsExitCodesAndSignals) {
  auto exits = Process::Start({.argv = {"/bin/sh", "-c", "exit $CODE"}, .env = {{"CODE", "7"}}});
  ASSERT_THAT(exits, IsOk());
  EXPECT_THAT(exits->Wait(), IsOkAndHolds(7));
  auto sleeps = Process::Start({.argv = {"/bin/sleep", "3600"}});
  ASSERT_THAT(sleeps, IsOk());
  EXPECT_TRUE(sleeps->running());
  sleeps->Stop();
  EXPECT_THAT(sleeps->Wait(), IsOkAndHolds(128 + SIGTERM));
}

TEST(RealServerTest, StartsListensAndRestartsOnItsPort) {
  TempDir dir;
  auto redis = StartRedis(dir.path());
  if (absl::IsNotFound(redis.status())) GTEST_SKIP() << redis.status();
  ASSERT_THAT(redis, IsOk());
  const auto port = redis->port();
  redis->process().Kill();
  EXPECT_FALSE(redis->process().running());
  EXPECT_THAT(redis->Restart(), IsOk());
  EXPECT_EQ(redis->port(), port);
}

TEST(RealServerTest, TellsWhatAServerSaidThatEndsEarly) {
  TempDir dir;
  EXPECT_THAT(RealServer::Start({.argv = {"/bin/sh", "-c", "echo no such option; exit 1"},
                                 .output_file = dir.File("out")}),
              StatusIs(absl::StatusCode::kUnavailable, "no such option"));
}

}  // namespace
}  // namespace dragonfly
