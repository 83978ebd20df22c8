#include "dfdaemon/gc/garbage_collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/bytes.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::hours;

class GarbageCollectorTest : public testing::Test {
 protected:
  // A task of one piece of 1 KiB, whole.
  std::shared_ptr<StoredTask> Store(const std::string& id) {
    TaskSpec spec;
    spec.id = TaskId(id);
    spec.piece_length = 4 * kMiB;
    spec.content_length = 1024;
    auto task = storage_->Create(spec).value();
    auto claim = task->ClaimPiece(0).value();
    EXPECT_THAT(claim.writer->Append(AsBytes(std::string(1024, 'x'))), IsOk());
    EXPECT_THAT(claim.writer->Commit({}), IsOk());
    task->MarkFinished();
    return task;
  }
  std::unique_ptr<GarbageCollector> Collector(GcOptions options = {}) {
    // The disk of the machine is a real one and may be full.
    options.policy.disk_high_percent = 101;
    return std::make_unique<GarbageCollector>(
        std::move(options),
        GarbageCollector::Collaborators{loop_.executor(), disk_, clock_, *storage_, Logger()},
        [this](const GcVictim& victim) { told_.push_back(victim.id.str()); });
  }
  static std::unique_ptr<Storage> Open(const std::string& dir, const Clock& clock) {
    StorageOptions options;
    options.dir = dir;
    return Storage::Open(options, clock).value();
  }

  TempDir dir_;
  FakeClock clock_;
  TestLoop loop_;
  BlockingPool disk_{1};
  std::unique_ptr<Storage> storage_ = Open(dir_.path(), clock_);
  std::vector<std::string> told_;
};

TEST_F(GarbageCollectorTest, DeletesWhatExpiredAndTells) {
  Store("aa");
  clock_.Advance(hours(5));
  Store("bb");
  clock_.Advance(hours(2));
  const auto collector = Collector();
  const auto removed = loop_.Run(collector->RunOnce());
  ASSERT_THAT(removed, IsOk());
  EXPECT_THAT(told_, testing::ElementsAre("aa"));
  EXPECT_EQ(storage_->Find(TaskKind::kStandard, TaskId("aa")), nullptr);
  EXPECT_NE(storage_->Find(TaskKind::kStandard, TaskId("bb")), nullptr);
}

TEST_F(GarbageCollectorTest, LeavesWhatIsInUse) {
  const auto task = Store("aa");
  const auto pin = task->Pin();
  clock_.Advance(hours(100));
  const auto collector = Collector();
  ASSERT_THAT(loop_.Run(collector->RunOnce()), IsOk());
  EXPECT_THAT(told_, testing::IsEmpty());
  EXPECT_FALSE(task->removed());
}

TEST_F(GarbageCollectorTest, RunsAtOnceAndAgainAfterEachInterval) {
  const auto task = Store("aa");
  clock_.Advance(hours(7));
  GcOptions options;
  options.interval = std::chrono::milliseconds(1);
  const auto collector = Collector(options);
  collector->Start();
  EXPECT_TRUE(loop_.Run(CoWaitFor([&] { return told_.size() == 1; })));
  Store("bb");
  clock_.Advance(hours(7));
  EXPECT_TRUE(loop_.Run(CoWaitFor([&] { return told_.size() == 2; })));
  loop_.Run(collector->Stop());
}

TEST_F(GarbageCollectorTest, PutsIdleTasksOutOfThePageCacheAndKeepsThem) {
  const auto task = Store("aa");
  clock_.Advance(hours(1));
  const auto collector = Collector();
  ASSERT_THAT(loop_.Run(collector->RunOnce()), IsOk());
  EXPECT_FALSE(task->removed());
  EXPECT_THAT(task->VerifyPiece(0), IsOk());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
