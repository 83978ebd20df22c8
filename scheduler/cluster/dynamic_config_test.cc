#include "scheduler/cluster/dynamic_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "scheduler/cluster/dynamic_config_cache.h"
#include "scheduler/cluster/dynamic_config_refresher.h"
#include "scheduler/cluster/manager_conversions.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::SizeIs;

// ---- snapshots ----------------------------------------------------------------------------------

DynamicConfig WithApplication() {
  DynamicConfig config;
  DynamicConfig::Application application;
  application.name = "app";
  application.priority = 3;
  application.urls = {{"(", 1, nullptr}, {"blobs/sha256", 5, nullptr}};
  config.applications = {application};
  return config;
}

TEST(DynamicConfigTest, PriorityComesFromTheRequestThenTheRuleThenTheApplication) {
  DynamicConfigHolder holder(WithApplication());
  const auto config = holder.current();
  EXPECT_EQ(EffectivePriority(*config, 6, "app", "http://r/blobs/sha256:1"), 6);
  EXPECT_EQ(EffectivePriority(*config, 0, "app", "http://r/blobs/sha256:1"), 5);
  EXPECT_EQ(EffectivePriority(*config, 0, "app", "http://r/other"), 3);
  EXPECT_EQ(EffectivePriority(*config, 0, "other", "http://r/blobs/sha256:1"), 0);
}

TEST(DynamicConfigTest, TellsSubscribersUntilTheyLeave) {
  DynamicConfigHolder holder;
  std::vector<std::uint32_t> seen;
  auto subscription = holder.Subscribe(
      [&seen](const auto& config) { seen.push_back(config->candidate_parent_limit); });
  DynamicConfig config;
  config.candidate_parent_limit = 7;
  holder.Publish(config);
  subscription.reset();
  holder.Publish(DynamicConfig());
  EXPECT_THAT(seen, ElementsAre(7));
  EXPECT_EQ(holder.current()->candidate_parent_limit, 3U);
}

TEST(DynamicConfigTest, SnapshotStaysAsItWasWhenAnotherIsPublished) {
  DynamicConfigHolder holder;
  const auto old = holder.current();
  DynamicConfig config;
  config.filter_parent_limit = 99;
  holder.Publish(config);
  EXPECT_EQ(old->filter_parent_limit, 15U);
  EXPECT_EQ(holder.current()->filter_parent_limit, 99U);
}

// ---- what the manager says ----------------------------------------------------------------------

pb::manager::Scheduler ManagersAnswer() {
  pb::manager::Scheduler message;
  message.set_scheduler_cluster_id(1);
  auto& cluster = *message.mutable_scheduler_cluster();
  cluster.set_name("cluster-1");
  cluster.set_config(
      R"({"candidate_parent_limit":4,"filter_parent_limit":5000,"job_rate_limit":0})");
  cluster.set_client_config(R"({"load_limit":50})");
  cluster.set_scopes(R"({"idc":"a|b","cidrs":["10.0.0.0/8"],"hostnames":null})");
  auto& peer = *message.add_seed_peers();
  peer.set_hostname("seed");
  peer.set_port(4000);
  peer.mutable_seed_peer_cluster()->set_config(R"({"load_limit":300})");
  return message;
}

TEST(ManagerConversionsTest, TakesWhatIsThereAndCutsItToItsBounds) {
  pb::manager::ListApplicationsResponse applications;
  auto& application = *applications.add_applications();
  application.set_name("app");
  application.mutable_priority()->set_value(pb::common::LEVEL2);
  application.mutable_priority()->add_urls()->set_regex("x");
  const DynamicConfig config = FromProto(ManagersAnswer(), applications);
  EXPECT_EQ(config.candidate_parent_limit, 4U);
  EXPECT_EQ(config.filter_parent_limit, 1000U);
  EXPECT_EQ(config.job_rate_limit, 10U);
  EXPECT_EQ(config.peer_load_limit, 50U);
  EXPECT_EQ(config.seed_peer_load_limit, 300U);
  EXPECT_EQ(config.scheduler_cluster_name, "cluster-1");
  EXPECT_EQ(config.scopes.idc, "a|b");
  EXPECT_THAT(config.scopes.cidrs, ElementsAre("10.0.0.0/8"));
  ASSERT_THAT(config.seed_peers, SizeIs(1));
  EXPECT_EQ(config.seed_peers[0].port, 4000);
  ASSERT_THAT(config.applications, SizeIs(1));
  EXPECT_EQ(config.applications[0].priority, 2);
  EXPECT_THAT(config.applications[0].urls, SizeIs(1));
}

TEST(ManagerConversionsTest, SurvivesTextsThatAreNoJson) {
  for (const char* text : {"", "null", "[]", "{", R"({"candidate_parent_limit":"many"})",
                           R"({"candidate_parent_limit":-4})"}) {
    pb::manager::Scheduler message;
    message.mutable_scheduler_cluster()->set_config(text);
    message.mutable_scheduler_cluster()->set_client_config(text);
    message.mutable_scheduler_cluster()->set_scopes(text);
    message.add_seed_peers();
    const DynamicConfig config = FromProto(message, {});
    EXPECT_EQ(config.candidate_parent_limit, 3U) << text;
    EXPECT_EQ(config.peer_load_limit, 200U) << text;
  }
}

// ---- on disk ------------------------------------------------------------------------------------

TEST(DynamicConfigCacheTest, ReadsBackWhatItWrote) {
  DynamicConfig config = FromProto(ManagersAnswer(), {});
  config.applications = WithApplication().applications;
  const TempDir dir;
  const std::string path = dir.File("new/scheduler.json");
  ASSERT_THAT(SaveDynamicConfig(path, config), IsOk());
  const auto loaded = LoadDynamicConfig(path);
  ASSERT_THAT(loaded, IsOk());
  EXPECT_TRUE(*loaded == config);
}

TEST(DynamicConfigCacheTest, RefusesWhatItDidNotWrite) {
  const TempDir dir;
  EXPECT_THAT(LoadDynamicConfig(dir.File("none")), StatusIs(absl::StatusCode::kNotFound));
  for (const char* text :
       {"", "{}", "[]", R"({"version":2})", R"({"version":1})", "{\"version\":"}) {
    WriteFile(dir.File("bad"), text);
    EXPECT_THAT(LoadDynamicConfig(dir.File("bad")), StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

// ---- refreshing ---------------------------------------------------------------------------------

class RefresherTest : public testing::Test {
 protected:
  void TearDown() override {
    if (refresher_ != nullptr) loop_.Run(refresher_->Stop());
  }
  void Make(Duration interval = std::chrono::hours(1)) {
    DynamicConfigRefresher::Options options;
    options.interval = interval;
    options.cache_path = dir_.File("cache.json");
    refresher_ = std::make_unique<DynamicConfigRefresher>(
        loop_.executor(), options, [this] { return Fetch(); }, holder_, disk_, Logger());
  }
  Awaitable<absl::StatusOr<DynamicConfig>> Fetch() {
    ++fetches_;
    co_return answer_;
  }
  static DynamicConfig Config(std::uint32_t limit) {
    DynamicConfig config;
    config.candidate_parent_limit = limit;
    return config;
  }
  std::uint32_t Limit() { return holder_.current()->candidate_parent_limit; }

  TempDir dir_;
  TestLoop loop_;
  BlockingPool disk_{1};
  DynamicConfigHolder holder_;
  absl::StatusOr<DynamicConfig> answer_ = absl::UnavailableError("away");
  int fetches_ = 0;
  std::unique_ptr<DynamicConfigRefresher> refresher_;
};

TEST_F(RefresherTest, UsesTheLastAnswerOnDiskWhenTheManagerIsAway) {
  Make();
  answer_ = Config(9);
  ASSERT_THAT(loop_.Run(refresher_->Load()), IsOk());
  holder_.Publish(DynamicConfig());
  answer_ = absl::UnavailableError("away");
  EXPECT_THAT(loop_.Run(refresher_->Load()), IsOk());
  EXPECT_EQ(Limit(), 9U);
}

TEST_F(RefresherTest, KeepsDefaultsWhenThereIsNeitherManagerNorDisk) {
  Make();
  EXPECT_THAT(loop_.Run(refresher_->Load()), StatusIs(absl::StatusCode::kUnavailable, "away"));
  EXPECT_EQ(Limit(), 3U);
}

TEST_F(RefresherTest, IgnoresADamagedFile) {
  WriteFile(dir_.File("cache.json"), "{");
  Make();
  EXPECT_THAT(loop_.Run(refresher_->Load()), StatusIs(absl::StatusCode::kUnavailable, "away"));
}

TEST_F(RefresherTest, KeepsTheLastWhenARefreshFails) {
  Make();
  answer_ = Config(9);
  ASSERT_THAT(loop_.Run(refresher_->Refresh()), IsOk());
  answer_ = absl::UnavailableError("away");
  EXPECT_THAT(loop_.Run(refresher_->Refresh()), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(Limit(), 9U);
}

TEST_F(RefresherTest, PublishesOnlyChanges) {
  Make();
  int told = 0;
  const auto subscription = holder_.Subscribe([&told](const auto&) { ++told; });
  answer_ = Config(9);
  ASSERT_THAT(loop_.Run(refresher_->Refresh()), IsOk());
  ASSERT_THAT(loop_.Run(refresher_->Refresh()), IsOk());
  EXPECT_EQ(told, 1);
}

TEST_F(RefresherTest, RefreshesAtEveryInterval) {
  Make(milliseconds(1));
  answer_ = Config(9);
  refresher_->Start();
  EXPECT_TRUE(loop_.Run(CoWaitFor([this] { return fetches_ >= 3; })));
  EXPECT_EQ(Limit(), 9U);
}

}  // namespace
}  // namespace dragonfly::scheduler
