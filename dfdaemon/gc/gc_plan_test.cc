#include "dfdaemon/gc/gc_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dfdaemon/gc/page_cache.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::hours;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const WallTime kNow{hours(24 * 20'000)};
constexpr DiskUsage kRoomy{1000 * kMiB, 100 * kMiB, 900 * kMiB};

// A finished standard task of `mib` that was used so many hours ago.
StoredTaskSummary Task(const char* id, int used_hours_ago, std::uint64_t mib = 100) {
  StoredTaskSummary task;
  task.id = TaskId(id);
  task.content_length = mib * kMiB;
  task.complete = true;
  task.times.created_at = kNow - hours(100);
  task.times.updated_at = kNow - hours(used_hours_ago);
  task.times.finished_at = task.times.created_at;
  return task;
}

StoredTaskSummary Unfinished(const char* id, int created_hours_ago) {
  StoredTaskSummary task = Task(id, 0);
  task.complete = false;
  task.times.finished_at.reset();
  task.times.created_at = kNow - hours(created_hours_ago);
  return task;
}

StoredTaskSummary Persistent(const char* id, int created_hours_ago, int ttl_hours) {
  StoredTaskSummary task = Task(id, 0);
  task.kind = TaskKind::kPersistentCache;
  task.persistent = true;
  task.times.created_at = kNow - hours(created_hours_ago);
  task.ttl = hours(ttl_hours);
  return task;
}

// "a" = expired, "+a" = for room.
std::vector<std::string> Chosen(const std::vector<StoredTaskSummary>& tasks,
                                const DiskUsage& disk = kRoomy) {
  std::vector<std::string> names;
  for (const GcVictim& victim : ChooseVictims(tasks, disk, GcPolicy(), kNow)) {
    names.push_back((victim.reason == GcReason::kDiskFull ? "+" : "") + victim.id.str());
  }
  return names;
}

DiskUsage UsedPercent(std::uint64_t percent) {
  return {1000 * kMiB, percent * 10 * kMiB, (100 - percent) * 10 * kMiB};
}

TEST(GcPlanTest, StandardTasksExpireByTheirLastUse) {
  EXPECT_THAT(Chosen({Task("a", 7), Task("b", 6), Task("c", 1)}), ElementsAre("a"));
}

TEST(GcPlanTest, UnfinishedTasksExpireByTheirBeginningHoweverOftenTheyAreTried) {
  EXPECT_THAT(Chosen({Unfinished("a", 7), Unfinished("b", 5)}), ElementsAre("a"));
}

TEST(GcPlanTest, PersistentTasksExpireByTheirOwnTtlWhateverTheirUse) {
  EXPECT_THAT(Chosen({Persistent("a", 3, 2), Persistent("b", 1, 2), Persistent("c", 1000, 0)}),
              ElementsAre("a"));
}

TEST(GcPlanTest, PinnedTasksStay) {
  StoredTaskSummary task = Task("a", 1000);
  task.pinned = true;
  EXPECT_THAT(Chosen({task}, UsedPercent(99)), IsEmpty());
}

TEST(GcPlanTest, NothingGoesForRoomBelowTheHighMark) {
  EXPECT_THAT(Chosen({Task("a", 1), Task("b", 2)}, UsedPercent(79)), IsEmpty());
}

TEST(GcPlanTest, FromTheHighMarkTheLongestUnusedGoUntilTheLowMark) {
  // 80 % used: 200 MiB down to 60 %.
  EXPECT_THAT(Chosen({Task("a", 1), Task("b", 4), Task("c", 3), Task("d", 2)}, UsedPercent(80)),
              ElementsAre("+b", "+c"));
}

TEST(GcPlanTest, WhatExpiresCountsAsRoom) {
  EXPECT_THAT(Chosen({Task("a", 7), Task("b", 4), Task("c", 3)}, UsedPercent(80)),
              ElementsAre("a", "+b"));
}

TEST(GcPlanTest, PersistentAndIncomingTasksDoNotGoForRoom) {
  StoredTaskSummary failed = Unfinished("failed", 1);
  failed.times.failed_at = kNow;
  StoredTaskSummary cached = Persistent("cached", 2, 100);
  cached.persistent = false;
  EXPECT_THAT(Chosen({Persistent("kept", 3, 100), Unfinished("incoming", 1), failed, cached},
                     UsedPercent(95)),
              ElementsAre("+failed", "+cached"));
}

TEST(GcPlanTest, EmptyTasksAreNotWorthDeletingForRoom) {
  EXPECT_THAT(Chosen({Task("empty", 5, 0), Task("a", 1)}, UsedPercent(80)), ElementsAre("+a"));
}

TEST(GcPlanTest, ADiskOfUnknownSizeIsNotFull) {
  EXPECT_THAT(Chosen({Task("a", 1)}, DiskUsage{}), IsEmpty());
}

TEST(IdleTasksTest, NamesEachIdleTaskOncePerUse) {
  IdleTasks idle{hours(1)};
  std::vector<StoredTaskSummary> tasks{Task("a", 2), Task("b", 0), Unfinished("c", 50)};
  EXPECT_THAT(idle.Next(tasks, kNow), ElementsAre(Pair(TaskKind::kStandard, TaskId("a"))));
  EXPECT_THAT(idle.Next(tasks, kNow), IsEmpty());
  EXPECT_THAT(idle.Next(tasks, kNow + hours(2)),
              ElementsAre(Pair(TaskKind::kStandard, TaskId("b"))));
  tasks[0].times.updated_at = kNow + hours(1);
  EXPECT_THAT(idle.Next(tasks, kNow + hours(3)),
              ElementsAre(Pair(TaskKind::kStandard, TaskId("a"))));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
