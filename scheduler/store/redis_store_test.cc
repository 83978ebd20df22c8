#include "scheduler/store/redis_store.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "common/testing/process.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"

namespace dragonfly::scheduler {
namespace {

class RedisStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = StartRedis(dir_.path());
    if (absl::IsNotFound(server.status())) GTEST_SKIP() << server.status();
    ASSERT_THAT(server, IsOk());
    server_.emplace(*std::move(server));
    store_.emplace(OptionsOf("a:8002"), Logger());
  }
  [[nodiscard]] RedisStore::Options OptionsOf(const std::string& name) const {
    RedisStore::Options options;
    options.redis.addresses = {server_->address()};
    options.scheduler_cluster_id = 7;
    options.name = name;
    return options;
  }
  absl::Status Load(RedisStore& store, StateChanges& into) {
    StateStore::Sink sink = [&into](StateChanges records) {
      std::ranges::move(records.hosts, std::back_inserter(into.hosts));
      // In this order, so that nothing comes before what it needs.
      EXPECT_TRUE(records.tasks.empty() || into.peers.empty());
      std::ranges::move(records.tasks, std::back_inserter(into.tasks));
      std::ranges::move(records.peers, std::back_inserter(into.peers));
    };
    return loop_.Run(store.Load(sink));
  }
  static StateChanges Some(int count) {
    StateChanges changes;
    for (int i = 0; i < count; ++i) {
      HostInfo& host = changes.hosts.emplace_back();
      host.id = HostId(StrCat("h", i));
      TaskRecord& task = changes.tasks.emplace_back();
      task.id = TaskId(StrCat("t", i));
      PeerRecord& peer = changes.peers.emplace_back();
      peer.task_id = task.id;
      peer.host_id = host.id;
      peer.spec.id = PeerId(StrCat("p", i));
    }
    return changes;
  }

  TestLoop loop_;
  TempDir dir_;
  std::optional<RealServer> server_;
  std::optional<RedisStore> store_;
};

TEST_F(RedisStoreTest, BringsBackWhatWasWritten) {
  ASSERT_THAT(loop_.Run(store_->Save(Some(1500))), IsOk());
  StateChanges loaded;
  ASSERT_THAT(Load(*store_, loaded), IsOk());
  EXPECT_EQ(loaded.hosts.size(), 1500U);
  EXPECT_EQ(loaded.tasks.size(), 1500U);
  EXPECT_EQ(loaded.peers.size(), 1500U);

  StateChanges gone;
  gone.gone_hosts = {HostId("h1")};
  gone.gone_tasks = {TaskId("t1"), TaskId("t2")};
  gone.gone_peers = {{TaskId("t1"), PeerId("p1")}, {TaskId("t3"), PeerId("p3")}};
  // It came back under the same id.
  gone.peers.emplace_back().task_id = TaskId("t3");
  gone.peers.back().spec.id = PeerId("p3");
  ASSERT_THAT(loop_.Run(store_->Save(gone)), IsOk());
  StateChanges left;
  ASSERT_THAT(Load(*store_, left), IsOk());
  EXPECT_EQ(left.hosts.size(), 1499U);
  EXPECT_EQ(left.tasks.size(), 1498U);
  EXPECT_EQ(left.peers.size(), 1499U);
}

TEST_F(RedisStoreTest, SchedulersDoNotMixTheirState) {
  ASSERT_THAT(loop_.Run(store_->Save(Some(2))), IsOk());
  RedisStore other(OptionsOf("b:8002"), Logger());
  StateChanges loaded;
  ASSERT_THAT(Load(other, loaded), IsOk());
  EXPECT_EQ(loaded.size(), 0U);
}

TEST_F(RedisStoreTest, StateOfASchedulerThatNeverComesBackExpires) {
  ASSERT_THAT(loop_.Run(store_->Save(Some(1))), IsOk());
  redis::Options options;
  options.addresses = {server_->address()};
  auto connection = redis::Connection::Open(options);
  ASSERT_THAT(connection, IsOk());
  EXPECT_EQ(store_->PeersKey(), "scheduler:scheduler-clusters:7:standard-peers:{a:8002}");
  for (const std::string& key : {store_->HostsKey(), store_->TasksKey(), store_->PeersKey()}) {
    const auto left = (*connection)->Run({"TTL", key});
    ASSERT_THAT(left, IsOk());
    EXPECT_NEAR(static_cast<double>(left->integer), 7 * 86400, 60) << key;
  }
}

TEST_F(RedisStoreTest, LeavesOutWhatItCannotRead) {
  ASSERT_THAT(loop_.Run(store_->Save(Some(2))), IsOk());
  redis::Options options;
  options.addresses = {server_->address()};
  auto connection = redis::Connection::Open(options);
  ASSERT_THAT(connection, IsOk());
  ASSERT_THAT((*connection)->Run({"HSET", store_->PeersKey(), "t/p", "{\"id\":"}), IsOk());
  StateChanges loaded;
  ASSERT_THAT(Load(*store_, loaded), IsOk());
  EXPECT_EQ(loaded.peers.size(), 2U);
}

TEST_F(RedisStoreTest, ConnectsAgain) {
  ASSERT_THAT(loop_.Run(store_->Save(Some(1))), IsOk());
  server_->process().Kill();
  EXPECT_THAT(loop_.Run(store_->Save(Some(1))), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(loop_.Run(store_->Save(Some(1))), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_THAT(server_->Restart(), IsOk());
  EXPECT_THAT(loop_.Run(store_->Save(Some(1))), IsOk());
}

}  // namespace
}  // namespace dragonfly::scheduler
