#include "dfdaemon/task/next_step.h"

#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

using Scheduler = RoundView::Scheduler;

NextStep Decide(const RoundView& view) { return DecideNextStep(view); }

TEST(NextStepTest, FailsOnlyWhenNobodyHasThePiecesAndTheSourceIsForbidden) {
  EXPECT_EQ(Decide({.source_allowed = false, .scheduler = Scheduler::kGone}), NextStep::kFail);
  EXPECT_EQ(Decide({.source_allowed = false, .source_granted = true}), NextStep::kFail);
}

TEST(NextStepTest, ReadsTheSourceWithoutAScheduler) {
  EXPECT_EQ(Decide({.source_allowed = true, .scheduler = Scheduler::kGone}), NextStep::kReadSource);
}

TEST(NextStepTest, GoesOnWithKnownParentsWhenTheSchedulerIsGone) {
  EXPECT_EQ(Decide({.parents_open = true, .source_allowed = true, .scheduler = Scheduler::kGone}),
            NextStep::kWait);
  EXPECT_EQ(Decide({.moving = true, .source_allowed = true, .scheduler = Scheduler::kGone}),
            NextStep::kWait);
}

TEST(NextStepTest, WaitsForTheSchedulersFirstAnswer) {
  EXPECT_EQ(Decide({.source_allowed = true, .scheduler = Scheduler::kAsked}), NextStep::kWait);
}

TEST(NextStepTest, ObeysTheSchedulerThatGrantsTheSource) {
  EXPECT_EQ(Decide({.source_allowed = true, .source_granted = true, .scheduler = Scheduler::kIdle}),
            NextStep::kReadSource);
  EXPECT_EQ(Decide({.reading_source = true,
                    .source_allowed = true,
                    .source_granted = true,
                    .scheduler = Scheduler::kIdle}),
            NextStep::kWait);
}

TEST(NextStepTest, AsksForOtherParentsWhenTheKnownOnesAreOfNoUse) {
  EXPECT_EQ(Decide({.source_allowed = true, .scheduler = Scheduler::kIdle}),
            NextStep::kReschedule);
  EXPECT_EQ(Decide({.source_allowed = true, .scheduler = Scheduler::kIdle, .fruitless_answers = 5}),
            NextStep::kGiveUpOnScheduler);
}

TEST(NextStepTest, AsksForMoreParentsWhileOthersServe) {
  EXPECT_EQ(Decide({.moving = true, .more_parents_wanted = true, .scheduler = Scheduler::kIdle}),
            NextStep::kAskForMoreParents);
  EXPECT_EQ(Decide({.moving = true, .more_parents_wanted = true, .scheduler = Scheduler::kAsked}),
            NextStep::kWait);
  EXPECT_EQ(
      Decide({.parents_open = true, .more_parents_wanted = true, .scheduler = Scheduler::kIdle}),
      NextStep::kAskForMoreParents);
}

TEST(NextStepTest, FinishesWhenEverythingIsHere) {
  EXPECT_EQ(Decide({.all_here = true, .scheduler = Scheduler::kGone}), NextStep::kFinish);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
