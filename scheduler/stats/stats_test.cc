#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "scheduler/stats/scheduler_stats.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

/// Counts everything once, so that every family shows.
void CountEverything(SchedulerStats& stats) {
  auto& calls = stats.scheduler_metrics();
  for (int method = 0; method <= static_cast<int>(SchedulerMetrics::Method::kStatFile); ++method) {
    calls.Called(static_cast<SchedulerMetrics::Method>(method));
    calls.CallFailed(static_cast<SchedulerMetrics::Method>(method));
  }
  AnnounceLabels labels;
  labels.os = "linux";
  calls.HostAnnounced(labels);
  calls.HostAnnounceFailed(labels);
  calls.ConversationOpened();
  calls.ConversationClosed(true);

  auto& peers = stats.scheduling_metrics();
  peers.PeerRegistered({});
  peers.PeerRegisterFailed({});
  peers.PeerStarted({});
  peers.PeerStartFailed({});
  peers.BackToSourceStarted({});
  peers.BackToSourceStartFailed({});
  peers.PeerEnded({});
  peers.PeerFailed({});
  peers.BackToSourceFailed({});
  peers.PeerSucceeded(100, milliseconds(5));
  peers.PieceFinished({}, 1000);
  peers.PieceFailed({});
  peers.HostBytes(SchedulingMetrics::HostTraffic::kUpload, TaskKind::kStandard, HostInfo(), 7);
  peers.Scheduled(milliseconds(3));
}

/// `name type help` of every family of ours, and the label names of its samples.
std::set<std::string> Families(const std::string& page) {
  std::set<std::string> result;
  std::istringstream lines(page);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("# HELP dragonfly_") || line.starts_with("# TYPE dragonfly_")) {
      result.insert(line.substr(2));
    }
  }
  return result;
}

TEST(SchedulerStatsTest, HasTheFamiliesOfTheGoldenFile) {
  const FakeClock clock;
  SchedulerStats stats({.host_traffic = true}, clock);
  CountEverything(stats);
  const auto golden = ReadFile(TestDataFile("scheduler-metrics.txt"));
  ASSERT_THAT(golden, IsOk());
  std::set<std::string> expected;
  std::istringstream lines(*golden);
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.empty() && !line.starts_with("//")) expected.insert(line);
  }
  EXPECT_THAT(Families(stats.page().Render()), testing::ContainerEq(expected));
}

TEST(SchedulerStatsTest, CountsUnderTheLabelsOfTheOriginal) {
  const FakeClock clock;
  SchedulerStats stats({}, clock);
  auto& peers = stats.scheduling_metrics();
  const PeerLabels labels{Priority::kLevel6, TaskKind::kPersistentCache, HostType::kSuper};
  peers.PeerRegistered(labels);
  peers.PeerRegistered(labels);
  peers.PieceFinished({TrafficType::kBackToSource, TaskKind::kStandard, HostType::kNormal}, 1024);
  peers.PieceFailed({TrafficType::kBackToSource, TaskKind::kStandard, HostType::kNormal});
  const std::string text = stats.page().Render();
  EXPECT_THAT(text, HasSubstr("dragonfly_scheduler_register_peer_total{host_type=\"super\","
                              "priority=\"LEVEL6\",task_type=\"PERSISTENT_CACHE\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("dragonfly_scheduler_download_piece_finished_total{host_type="
                              "\"normal\",task_type=\"STANDARD\",traffic_type=\"BACK_TO_SOURCE\"} "
                              "2\n"));
  EXPECT_THAT(text, HasSubstr("dragonfly_scheduler_traffic{host_type=\"normal\",task_type="
                              "\"STANDARD\",type=\"BACK_TO_SOURCE\"} 1024\n"));
}

TEST(SchedulerStatsTest, OpenConversationsGoUpAndDown) {
  const FakeClock clock;
  SchedulerStats stats({}, clock);
  auto& calls = stats.scheduler_metrics();
  calls.ConversationOpened();
  calls.ConversationOpened();
  calls.ConversationClosed(true);
  const std::string text = stats.page().Render();
  EXPECT_THAT(text, HasSubstr("dragonfly_scheduler_concurrent_schedule_total 1\n"));
  EXPECT_THAT(text, HasSubstr("dragonfly_scheduler_announce_peer_total 2\n"));
  EXPECT_THAT(text, HasSubstr("dragonfly_scheduler_announce_peer_failure_total 1\n"));
}

TEST(SchedulerStatsTest, CountsBytesPerHostOnlyWhenAskedTo) {
  HostInfo host;
  host.id = HostId("h1");
  const FakeClock clock;
  SchedulerStats off({}, clock);
  off.scheduling_metrics().HostBytes(SchedulingMetrics::HostTraffic::kUpload, TaskKind::kStandard,
                                     host, 7);
  EXPECT_THAT(off.page().Render(), Not(HasSubstr("host_traffic")));
  SchedulerStats on({.host_traffic = true}, clock);
  on.scheduling_metrics().HostBytes(SchedulingMetrics::HostTraffic::kUpload, TaskKind::kStandard,
                                    host, 7);
  EXPECT_THAT(on.page().Render(), HasSubstr("host_id=\"h1\""));
}

TEST(SchedulerStatsTest, SummarisesDownloadsBySize) {
  const FakeClock clock;
  SchedulerStats stats({}, clock);
  stats.scheduling_metrics().PeerSucceeded(5 << 20, milliseconds(40));
  stats.scheduling_metrics().PeerSucceeded(5 << 20, milliseconds(40));
  EXPECT_THAT(stats.page().Render(),
              HasSubstr("dragonfly_scheduler_download_peer_duration_milliseconds_sum"
                        "{task_size_level=\"3\"} 80\n"));
}

TEST(SchedulerStatsTest, SizeLevelsFollowTheOriginalsSteps) {
  EXPECT_EQ(TaskSizeLevel(-1), 0U);
  EXPECT_EQ(TaskSizeLevel(0), 0U);
  EXPECT_EQ(TaskSizeLevel(1), 1U);
  EXPECT_EQ(TaskSizeLevel(1 << 20), 2U);
  EXPECT_EQ(TaskSizeLevel((4LL << 20) - 1), 2U);
  EXPECT_EQ(TaskSizeLevel(1LL << 30), 11U);
  EXPECT_EQ(TaskSizeLevel((1LL << 40) - 1), 19U);
  EXPECT_EQ(TaskSizeLevel(1LL << 40), 20U);
}

}  // namespace
}  // namespace dragonfly::scheduler
