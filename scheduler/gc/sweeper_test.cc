#include "scheduler/gc/sweeper.h"

#include <gtest/gtest.h>

#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"

namespace dragonfly::scheduler {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

class CountingTarget final : public SweepTarget {
 public:
  void SweepHosts() override { ++hosts; }
  void SweepPeers() override { ++peers; }
  void SweepTasks() override { ++tasks; }
  int hosts = 0;
  int peers = 0;
  int tasks = 0;
};

TEST(SweeperTest, SweepsEachKindAtItsOwnInterval) {
  TestLoop loop;
  CountingTarget target;
  Sweeper sweeper({1h, 1ms, 1h}, target, loop.executor(), Logger());
  sweeper.Start();
  EXPECT_TRUE(loop.Run(CoWaitFor([&] { return target.peers >= 3; })));
  EXPECT_EQ(target.hosts, 0);
  EXPECT_EQ(target.tasks, 0);
  loop.Run(sweeper.Stop());
}

TEST(SweeperTest, MayBeStoppedBeforeItsStartAndTwice) {
  TestLoop loop;
  CountingTarget target;
  Sweeper sweeper({}, target, loop.executor(), Logger());
  loop.Run(sweeper.Stop());
  loop.Run(sweeper.Stop());
}

}  // namespace
}  // namespace dragonfly::scheduler
