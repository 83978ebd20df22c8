#include <atomic>
#include <deque>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "common/rpc/server.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "manager.grpc.pb.h"
#include "scheduler/cluster/dynamic_config.h"
#include "scheduler/cluster/dynamic_config_cache.h"
#include "scheduler/cluster/dynamic_config_refresher.h"
#include "scheduler/cluster/manager_conversions.h"
#include "scheduler/cluster/manager_link.h"
#include "scheduler/cluster/membership.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::SizeIs;

// ---- snapshots
// -----------------------------------------------------------------------------------

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

// ---- what the manager says
// -----------------------------------------------------------------------

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

// ---- on disk
// -------------------------------------------------------------------------------------

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

// ---- refreshing
// ----------------------------------------------------------------------------------

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

// ---- membership
// ----------------------------------------------------------------------------------

/// A manager that answers what the test says, in order; then for ever as at last.
class ScriptedLink final : public ManagerLink {
 public:
  Awaitable<absl::Status> Register() override {
    log.emplace_back("register");
    co_return Next(registrations);
  }
  Awaitable<absl::StatusOr<DynamicConfig>> Fetch() override { co_return DynamicConfig(); }
  Awaitable<absl::Status> KeepAlive() override {
    log.emplace_back("keep alive");
    co_return Next(streams);
  }

  std::deque<absl::Status> registrations;
  std::deque<absl::Status> streams;
  std::vector<std::string> log;

 private:
  static absl::Status Next(std::deque<absl::Status>& answers) {
    if (answers.empty()) return absl::UnavailableError("over");
    absl::Status status = answers.front();
    answers.pop_front();
    return status;
  }
};

class MembershipTest : public testing::Test {
 protected:
  void TearDown() override { loop_.Run(membership_.Stop()); }
  bool WaitForSteps(std::size_t count) {
    return loop_.Run(CoWaitFor([this, count] { return link_.log.size() >= count; }));
  }

  TestLoop loop_;
  ScriptedLink link_;
  Membership membership_{loop_.executor(), {milliseconds(1), milliseconds(2)}, link_, Logger()};
};

TEST_F(MembershipTest, TriesUntilTheManagerIsThere) {
  link_.registrations = {absl::UnavailableError("away"), absl::UnavailableError("away"),
                         absl::OkStatus()};
  membership_.Start();
  ASSERT_TRUE(WaitForSteps(4));
  EXPECT_THAT(std::vector(link_.log.begin(), link_.log.begin() + 4),
              ElementsAre("register", "register", "register", "keep alive"));
}

TEST_F(MembershipTest, ReopensABrokenStreamWithoutRegisteringAgain) {
  link_.registrations = {absl::OkStatus()};
  ASSERT_THAT(loop_.Run(membership_.Register()), IsOk());
  membership_.Start();
  ASSERT_TRUE(WaitForSteps(3));
  EXPECT_THAT(std::vector(link_.log.begin(), link_.log.begin() + 3),
              ElementsAre("register", "keep alive", "keep alive"));
}

TEST_F(MembershipTest, RegistersAgainWhenTheManagerForgotIt) {
  link_.registrations = {absl::OkStatus(), absl::OkStatus()};
  link_.streams = {absl::NotFoundError("record not found")};
  membership_.Start();
  ASSERT_TRUE(WaitForSteps(4));
  EXPECT_THAT(std::vector(link_.log.begin(), link_.log.begin() + 4),
              ElementsAre("register", "keep alive", "register", "keep alive"));
}

// ---- over gRPC
// -----------------------------------------------------------------------------------

class FakeManager final : public pb::manager::Manager::CallbackService {
 public:
  explicit FakeManager(rpc::Calls& calls) : calls_(calls) {}

  grpc::ServerUnaryReactor* UpdateScheduler(grpc::CallbackServerContext* context,
                                            const pb::manager::UpdateSchedulerRequest* request,
                                            pb::manager::Scheduler* response) override {
    return rpc::ServeUnary(calls_, "/manager.v2.Manager/UpdateScheduler", context, request,
                           response, std::bind_front(&FakeManager::DoUpdate, this));
  }
  grpc::ServerUnaryReactor* GetScheduler(grpc::CallbackServerContext* context,
                                         const pb::manager::GetSchedulerRequest* request,
                                         pb::manager::Scheduler* response) override {
    return rpc::ServeUnary(calls_, "/manager.v2.Manager/GetScheduler", context, request, response,
                           std::bind_front(&FakeManager::DoGet, this));
  }
  grpc::ServerUnaryReactor* ListApplications(
      grpc::CallbackServerContext* context, const pb::manager::ListApplicationsRequest* request,
      pb::manager::ListApplicationsResponse* response) override {
    return rpc::ServeUnary(calls_, "/manager.v2.Manager/ListApplications", context, request,
                           response, std::bind_front(&FakeManager::DoList, this));
  }
  grpc::ServerReadReactor<pb::manager::KeepAliveRequest>* KeepAlive(
      grpc::CallbackServerContext* context, google::protobuf::Empty* response) override {
    return rpc::ServeReader<pb::manager::KeepAliveRequest>(
        calls_, "/manager.v2.Manager/KeepAlive", context, response,
        std::bind_front(&FakeManager::DoKeepAlive, this));
  }

  pb::manager::UpdateSchedulerRequest registered;
  absl::Status applications = absl::NotFoundError("application not found");
  std::atomic<int> beats{0};
  std::atomic<int> open{0};
  int beats_until_end = 1 << 30;

 private:
  Awaitable<absl::Status> DoUpdate(rpc::ServerCall&,
                                   const pb::manager::UpdateSchedulerRequest& request,
                                   pb::manager::Scheduler&) {
    registered = request;
    co_return absl::OkStatus();
  }
  Awaitable<absl::Status> DoGet(rpc::ServerCall&, const pb::manager::GetSchedulerRequest& request,
                                pb::manager::Scheduler& response) {
    if (request.hostname() != registered.hostname()) co_return absl::NotFoundError("not found");
    response = ManagersAnswer();
    co_return absl::OkStatus();
  }
  Awaitable<absl::Status> DoList(rpc::ServerCall&, const pb::manager::ListApplicationsRequest&,
                                 pb::manager::ListApplicationsResponse&) {
    co_return applications;
  }
  Awaitable<absl::Status> DoKeepAlive(rpc::ServerCall& call,
                                      rpc::Reader<pb::manager::KeepAliveRequest>& reader,
                                      google::protobuf::Empty&) {
    struct Counted {
      explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
      ~Counted() { --count_; }
      std::atomic<int>& count_;
    };
    const Counted counted(open);
    call.EndWhenDraining();
    while (co_await reader.Read()) {
      if (++beats >= beats_until_end) co_return absl::NotFoundError("record not found");
    }
    co_return absl::OkStatus();
  }

  rpc::Calls& calls_;
};

class ManagerLinkTest : public testing::Test {
 protected:
  void SetUp() override {
    rpc::Calls::Options options;
    options.executor = [this] { return server_loop_.executor(); };
    calls_ = std::make_unique<rpc::Calls>(std::move(options));
    manager_ = std::make_unique<FakeManager>(*calls_);
    rpc::ServerOptions listen;
    listen.listen = {"127.0.0.1:0"};
    auto server = rpc::Server::Start(listen, {manager_.get()}, *calls_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    ManagerLinkOptions link;
    link.address = "127.0.0.1:" + std::to_string(server_->port());
    link.identity = {.hostname = "s1", .ip = "10.0.0.1", .port = 8002, .idc = "i", .location = "l"};
    link.keep_alive_interval = milliseconds(5);
    auto made = MakeManagerLink(link);
    ASSERT_THAT(made, IsOk());
    link_ = *std::move(made);
  }
  void TearDown() override {
    RunCoro(client_loop_, server_->Drain(seconds(0)));
    server_.reset();
  }

  Runtime server_loop_{"server", 1};
  Runtime client_loop_{"client", 1};
  std::unique_ptr<rpc::Calls> calls_;
  std::unique_ptr<FakeManager> manager_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<ManagerLink> link_;
};

TEST_F(ManagerLinkTest, RegistersWithItsIdentityAndInterval) {
  ASSERT_THAT(RunCoro(client_loop_, link_->Register()), IsOk());
  const auto& request = manager_->registered;
  EXPECT_EQ(request.source_type(), pb::manager::SCHEDULER_SOURCE);
  EXPECT_EQ(request.hostname(), "s1");
  EXPECT_EQ(request.ip(), "10.0.0.1");
  EXPECT_EQ(request.port(), 8002);
  EXPECT_EQ(request.idc(), "i");
  EXPECT_EQ(request.scheduler_cluster_id(), 1U);
  EXPECT_THAT(request.features(), ElementsAre("schedule"));
  EXPECT_EQ(request.config(), R"({"manager_keep_alive_interval":5000000})");
}

TEST_F(ManagerLinkTest, FetchesTheConfigurationAlsoWithoutApplications) {
  ASSERT_THAT(RunCoro(client_loop_, link_->Register()), IsOk());
  for (const auto& status :
       {absl::NotFoundError("none"), absl::UnimplementedError("old"), absl::OkStatus()}) {
    manager_->applications = status;
    const auto config = RunCoro(client_loop_, link_->Fetch());
    ASSERT_THAT(config, IsOk());
    EXPECT_EQ(config->candidate_parent_limit, 4U);
  }
  manager_->applications = absl::InternalError("broken");
  EXPECT_THAT(RunCoro(client_loop_, link_->Fetch()), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ManagerLinkTest, FetchOfAStrangerIsNotFound) {
  manager_->registered.set_hostname("other");
  EXPECT_THAT(RunCoro(client_loop_, link_->Fetch()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ManagerLinkTest, KeepAliveSendsUntilTheManagerEndsIt) {
  manager_->beats_until_end = 3;
  EXPECT_THAT(RunCoro(client_loop_, link_->KeepAlive()),
              StatusIs(absl::StatusCode::kNotFound, "record not found"));
  EXPECT_EQ(manager_->beats, 3);
}

TEST_F(ManagerLinkTest, StoppedMembershipEndsTheStream) {
  Membership membership(client_loop_.executor(), {}, *link_, Logger());
  membership.Start();
  EXPECT_TRUE(WaitFor([this] { return manager_->beats >= 2; }));
  RunCoro(client_loop_, membership.Stop());
  EXPECT_TRUE(WaitFor([this] { return manager_->open == 0; }));
}

TEST_F(ManagerLinkTest, SaysWhenNobodyIsThere) {
  ManagerLinkOptions options;
  options.address = "127.0.0.1:1";
  const auto link = MakeManagerLink(options);
  ASSERT_THAT(link, IsOk());
  EXPECT_THAT(RunCoro(client_loop_, (*link)->Register()),
              StatusIs(absl::StatusCode::kUnavailable, "register at the manager"));
  EXPECT_THAT(RunCoro(client_loop_, (*link)->KeepAlive()),
              StatusIs(absl::StatusCode::kUnavailable, "keep alive"));
}

}  // namespace
}  // namespace dragonfly::scheduler
