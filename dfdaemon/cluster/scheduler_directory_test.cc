#include "dfdaemon/cluster/scheduler_directory.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "common/base/strings.h"
#include "common/testing/matchers.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

SchedulerEndpoint At(std::string ip) { return {"scheduler", std::move(ip), 8002, 1}; }

class SchedulerDirectoryTest : public testing::Test {
 protected:
  SchedulerDirectoryTest() { directory_.Replace({At("10.0.0.1"), At("10.0.0.2")}); }

  // A task that `owner` owns while all answer.
  static TaskId TaskOf(const SchedulerEndpoint& owner) {
    const SchedulerSet all({At("10.0.0.1"), At("10.0.0.2")});
    for (int i = 0;; ++i) {
      const TaskId task(StrCat(10000 + i));
      if (all.Pick(task)->ip == owner.ip) return task;
    }
  }
  std::string Registers(const TaskId& task) {
    const auto scheduler = directory_.ForRegistration(task, now_);
    return scheduler.ok() ? scheduler->ip : std::string(scheduler.status().message());
  }

  asio::io_context io_;
  SteadyTime now_{std::chrono::hours(1)};
  SchedulerDirectory directory_{
      io_.get_executor(), {.first = seconds(60), .longest = minutes(3), .probe = seconds(20)}};
};

TEST_F(SchedulerDirectoryTest, TheOtherTakesTheTasksOfASilentOne) {
  const TaskId task = TaskOf(At("10.0.0.1"));
  EXPECT_EQ(Registers(task), "10.0.0.1");
  EXPECT_EQ(directory_.Silent(At("10.0.0.1"), now_), seconds(60));
  EXPECT_EQ(Registers(task), "10.0.0.2");
  EXPECT_EQ(directory_.OwnerOf(task, now_)->ip, "10.0.0.2");
  EXPECT_EQ(Registers(TaskOf(At("10.0.0.2"))), "10.0.0.2");
}

TEST_F(SchedulerDirectoryTest, ASilentOneStaysInTheList) {
  (void)directory_.Silent(At("10.0.0.1"), now_);
  EXPECT_EQ(directory_.current()->endpoints().size(), 2U);
}

TEST_F(SchedulerDirectoryTest, NobodyWaitsWhenAllAreSilent) {
  (void)directory_.Silent(At("10.0.0.1"), now_);
  (void)directory_.Silent(At("10.0.0.2"), now_);
  EXPECT_THAT(Registers(TaskOf(At("10.0.0.1"))), HasSubstr("no scheduler answered"));
  // Other calls have nobody better.
  EXPECT_EQ(directory_.OwnerOf(TaskOf(At("10.0.0.1")), now_)->ip, "10.0.0.1");
}

TEST_F(SchedulerDirectoryTest, OneAsksAgainWhenItsTimeIsOver) {
  const TaskId task = TaskOf(At("10.0.0.1"));
  (void)directory_.Silent(At("10.0.0.1"), now_);
  now_ += seconds(60);
  EXPECT_EQ(Registers(task), "10.0.0.1");
  EXPECT_EQ(Registers(task), "10.0.0.2");
  // Whoever asked left without an answer: somebody else may.
  now_ += seconds(20);
  EXPECT_EQ(Registers(task), "10.0.0.1");
}

TEST_F(SchedulerDirectoryTest, AnAnswerClearsIt) {
  const TaskId task = TaskOf(At("10.0.0.1"));
  (void)directory_.Silent(At("10.0.0.1"), now_);
  EXPECT_TRUE(directory_.Answered(At("10.0.0.1")));
  EXPECT_FALSE(directory_.Answered(At("10.0.0.1")));
  EXPECT_EQ(Registers(task), "10.0.0.1");
  EXPECT_EQ(directory_.Silent(At("10.0.0.1"), now_), seconds(60));
}

TEST_F(SchedulerDirectoryTest, OneThatStaysSilentIsLeftAloneForLonger) {
  const TaskId task = TaskOf(At("10.0.0.1"));
  Duration pause = directory_.Silent(At("10.0.0.1"), now_);
  // Registrations that were waiting at the same time do not count again.
  now_ += seconds(1);
  EXPECT_EQ(directory_.Silent(At("10.0.0.1"), now_), seconds(59));
  std::vector<Duration> pauses;
  for (int i = 0; i < 3; ++i) {
    now_ += pause;
    EXPECT_EQ(Registers(task), "10.0.0.1");
    now_ += seconds(15);
    pause = directory_.Silent(At("10.0.0.1"), now_);
    pauses.push_back(pause);
  }
  EXPECT_THAT(pauses, testing::ElementsAre(seconds(120), minutes(3), minutes(3)));
}

TEST_F(SchedulerDirectoryTest, OneThatWasAwayStartsAnew) {
  const TaskId task = TaskOf(At("10.0.0.1"));
  (void)directory_.Silent(At("10.0.0.1"), now_);
  directory_.Suspect(At("10.0.0.1"));
  EXPECT_EQ(Registers(task), "10.0.0.2");
  directory_.Replace({At("10.0.0.1"), At("10.0.0.2")});
  EXPECT_EQ(Registers(task), "10.0.0.1");
}

}  // namespace
}  // namespace dragonfly::dfdaemon
