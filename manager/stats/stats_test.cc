#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "manager/stats/manager_stats.h"

namespace dragonfly::manager {
namespace {

using testing::HasSubstr;

TEST(ManagerStatsTest, CountsUnderTheNamesOfTheOriginal) {
  ManagerStats stats;
  stats.manager_metrics().SearchedSchedulerClusters("v1.5.1", "abc");
  stats.manager_metrics().SearchedSchedulerClusters("v1.5.1", "abc");
  stats.manager_metrics().SearchFailed("v1.5.1", "abc");
  const std::string text = stats.page().Render();
  EXPECT_THAT(text, HasSubstr("dragonfly_manager_search_scheduler_cluster_total"
                              "{commit=\"abc\",version=\"v1.5.1\"} 2"));
  EXPECT_THAT(text, HasSubstr("dragonfly_manager_search_scheduler_cluster_failure_total"
                              "{commit=\"abc\",version=\"v1.5.1\"} 1"));
  EXPECT_THAT(text, HasSubstr("dragonfly_manager_version{build_time"));
  EXPECT_THAT(text, HasSubstr("process_resident_memory_bytes"));
}

}  // namespace
}  // namespace dragonfly::manager
