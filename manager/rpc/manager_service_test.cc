#include "manager/rpc/manager_service.h"

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/channel.h"
#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "common/sqlite/sqlite.h"
#include "common/testing/end_together.h"
#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "manager/rpc/conversions.h"
#include "manager/rpc/validation.h"

namespace dragonfly::manager {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

using Stub = pb::manager::Manager::Stub;

class CountingMetrics final : public ManagerMetrics {
 public:
  void SearchedSchedulerClusters(std::string_view, std::string_view) override { ++searched; }
  void SearchFailed(std::string_view, std::string_view) override { ++failed; }
  std::atomic<int> searched{0};
  std::atomic<int> failed{0};
};

/// The whole service on a seeded database, with a client.
class ManagerServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = OpenDatabase({"sqlite", dir_.File("manager.db")});
    ASSERT_THAT(opened, IsOk());
    database_ = *std::move(opened);
    ASSERT_THAT(database_->Seed({"hash", "key"}, clock_.WallNow()), IsOk());
    const auto io = server_loop_.executor();
    directory_ = std::make_unique<ClusterDirectory>(io, ClusterDirectoryOptions{}, *database_, db_,
                                                    clock_, Logger());
    liveness_ = std::make_unique<Liveness>(io, LivenessOptions{}, *directory_, clock_, Logger());
    rpc::Calls::Options options;
    options.executor = [io] { return io; };
    calls_ = std::make_unique<rpc::Calls>(std::move(options));
    service_ = std::make_unique<ManagerService>(
        ManagerService::Collaborators{*calls_, *directory_, *liveness_, metrics_, Logger()});
    rpc::ServerOptions listen;
    listen.listen = {"127.0.0.1:0"};
    auto server = rpc::Server::Start(listen, {service_.get()}, *calls_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    auto channel = rpc::Connect("127.0.0.1:" + std::to_string(server_->port()));
    ASSERT_THAT(channel, IsOk());
    stub_ = pb::manager::Manager::NewStub(*channel);
  }
  void TearDown() override {
    if (server_ != nullptr) DrainServer(seconds(0));
    RunCoro(client_loop_, liveness_->Stop());
    RunCoro(client_loop_, directory_->Stop());
  }

  void DrainServer(Duration grace) {
    RunCoro(client_loop_, server_->Drain(grace));
    server_.reset();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(void (Stub::async::*method)(grpc::ClientContext*, const Request*,
                                                            Response*,
                                                            std::function<void(grpc::Status)>),
                                std::type_identity_t<Request> request) {
    return RunCoro(client_loop_,
                   rpc::Unary(*stub_->async(), method, std::move(request), seconds(10)));
  }

  static pb::manager::UpdateSchedulerRequest Registration(const std::string& hostname = "s1",
                                                          std::uint64_t cluster = 1) {
    pb::manager::UpdateSchedulerRequest request;
    request.set_source_type(pb::manager::SCHEDULER_SOURCE);
    request.set_hostname(hostname);
    request.set_ip("10.0.0.1");
    request.set_port(8002);
    request.set_scheduler_cluster_id(cluster);
    request.set_config(R"({"manager_keep_alive_interval":5000000000})");
    return request;
  }
  absl::StatusOr<pb::manager::Scheduler> Register(pb::manager::UpdateSchedulerRequest request) {
    return Call(&Stub::async::UpdateScheduler, std::move(request));
  }
  absl::StatusOr<pb::manager::ListSchedulersResponse> List(std::uint64_t cluster = 0) {
    pb::manager::ListSchedulersRequest request;
    request.set_source_type(pb::manager::PEER_SOURCE);
    request.set_hostname("host");
    request.set_ip("10.9.9.9");
    request.set_version("v1");
    request.set_scheduler_cluster_id(cluster);
    return Call(&Stub::async::ListSchedulers, request);
  }
  static pb::manager::KeepAliveRequest Beat(const std::string& hostname = "s1") {
    pb::manager::KeepAliveRequest request;
    request.set_source_type(pb::manager::SCHEDULER_SOURCE);
    request.set_hostname(hostname);
    request.set_ip("10.0.0.1");
    request.set_cluster_id(1);
    return request;
  }
  auto OpenKeepAlive() {
    return rpc::OpenWriteStream(client_loop_.executor(), *stub_->async(), &Stub::async::KeepAlive);
  }
  bool WaitForActive(std::size_t count) {
    return WaitFor([this, count] {
      const auto listed = List();
      return listed.ok() && static_cast<std::size_t>(listed->schedulers_size()) == count;
    });
  }
  static pb::manager::UpdateSeedPeerRequest SeedRegistration() {
    pb::manager::UpdateSeedPeerRequest request;
    request.set_source_type(pb::manager::SEED_PEER_SOURCE);
    request.set_hostname("seed-1");
    request.set_type("super");
    request.set_ip("10.0.0.9");
    request.set_port(4000);
    request.set_download_port(4001);
    request.set_seed_peer_cluster_id(1);
    return request;
  }

  TempDir dir_;
  FakeClock clock_;
  BlockingPool db_{1};
  Runtime server_loop_{"server", 1};
  Runtime client_loop_{"client", 1};
  EndTogether ends_{&server_loop_, &client_loop_};
  CountingMetrics metrics_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ClusterDirectory> directory_;
  std::unique_ptr<Liveness> liveness_;
  std::unique_ptr<rpc::Calls> calls_;
  std::unique_ptr<ManagerService> service_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Stub> stub_;
};

TEST_F(ManagerServiceTest, RegisteredSchedulerIsInactiveAndHasTheDefaultFeatures) {
  const auto registered = Register(Registration());
  ASSERT_THAT(registered, IsOk());
  EXPECT_EQ(registered->state(), "inactive");
  EXPECT_EQ(registered->features(), R"(["schedule","preheat"])");
  EXPECT_FALSE(registered->has_scheduler_cluster());
  const auto listed = List();
  ASSERT_THAT(listed, IsOk());
  EXPECT_THAT(listed->schedulers(), SizeIs(0));
}

TEST_F(ManagerServiceTest, KeepAliveMakesActiveUntilTheStreamEnds) {
  ASSERT_THAT(Register(Registration()), IsOk());
  {
    auto stream = OpenKeepAlive();
    ASSERT_TRUE(RunCoro(client_loop_, stream.Write(Beat())));
    EXPECT_TRUE(WaitForActive(1));
    EXPECT_THAT(RunCoro(client_loop_, stream.Finish()), IsOk());
  }
  EXPECT_TRUE(WaitForActive(0));
}

TEST_F(ManagerServiceTest, ClientThatBreaksOffBecomesInactive) {
  ASSERT_THAT(Register(Registration()), IsOk());
  auto stream = OpenKeepAlive();
  ASSERT_TRUE(RunCoro(client_loop_, stream.Write(Beat())));
  EXPECT_TRUE(WaitForActive(1));
  stream.Cancel();
  EXPECT_TRUE(WaitForActive(0));
}

TEST_F(ManagerServiceTest, KeepAliveOfAStrangerEndsWithNotFound) {
  auto stream = OpenKeepAlive();
  RunCoro(client_loop_, stream.Write(Beat("nobody")));
  EXPECT_THAT(RunCoro(client_loop_, stream.Finish()),
              StatusIs(absl::StatusCode::kNotFound, "record not found"));
}

TEST_F(ManagerServiceTest, KeepAliveOfANormalPeerIsAcceptedAndForgotten) {
  auto stream = OpenKeepAlive();
  auto beat = Beat();
  beat.set_source_type(pb::manager::PEER_SOURCE);
  ASSERT_TRUE(RunCoro(client_loop_, stream.Write(beat)));
  EXPECT_THAT(RunCoro(client_loop_, stream.Finish()), IsOk());
}

TEST_F(ManagerServiceTest, DrainEndsKeepAliveStreamsAtOnce) {
  ASSERT_THAT(Register(Registration()), IsOk());
  auto stream = OpenKeepAlive();
  ASSERT_TRUE(RunCoro(client_loop_, stream.Write(Beat())));
  EXPECT_TRUE(WaitForActive(1));
  const auto began = std::chrono::steady_clock::now();
  DrainServer(seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - began, seconds(10));
  EXPECT_THAT(RunCoro(client_loop_, stream.Finish()), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(ManagerServiceTest, ListedSchedulersCarryTheirClusterWithValidJson) {
  ASSERT_THAT(Register(Registration()), IsOk());
  ASSERT_THAT(database_->KeepSchedulerAlive({"s1", "10.0.0.1", 1}, clock_.WallNow()), IsOk());
  clock_.Advance(seconds(10));
  for (const std::uint64_t cluster : {0U, 1U}) {
    const auto listed = List(cluster);
    ASSERT_THAT(listed, IsOk());
    ASSERT_THAT(listed->schedulers(), SizeIs(1));
    const auto& scheduler = listed->schedulers(0);
    EXPECT_EQ(scheduler.hostname(), "s1");
    EXPECT_EQ(scheduler.port(), 8002);
    EXPECT_EQ(scheduler.scheduler_cluster_id(), 1U);
    EXPECT_EQ(scheduler.scheduler_cluster().client_config(), R"({"load_limit":200})");
    EXPECT_EQ(scheduler.scheduler_cluster().seed_client_config(), "{}");
    EXPECT_EQ(scheduler.scheduler_cluster().scopes(), "{}");
  }
  EXPECT_EQ(metrics_.searched, 2);
  EXPECT_EQ(metrics_.failed, 0);
}

TEST_F(ManagerServiceTest, NamedClusterListsInactiveSchedulersToo) {
  ASSERT_THAT(Register(Registration()), IsOk());
  const auto listed = List(1);
  ASSERT_THAT(listed, IsOk());
  ASSERT_THAT(listed->schedulers(), SizeIs(1));
  EXPECT_EQ(listed->schedulers(0).state(), "inactive");
}

TEST_F(ManagerServiceTest, CountsSearchesThatFoundNoCluster) {
  EXPECT_THAT(List(), IsOk());
  EXPECT_EQ(metrics_.failed, 1);
}

TEST_F(ManagerServiceTest, GetSchedulerGivesClusterAndActiveSeedPeers) {
  ASSERT_THAT(Register(Registration()), IsOk());
  ASSERT_THAT(Call(&Stub::async::UpdateSeedPeer, SeedRegistration()), IsOk());
  pb::manager::GetSchedulerRequest request;
  request.set_hostname("s1");
  request.set_scheduler_cluster_id(1);
  const auto got = Call(&Stub::async::GetScheduler, request);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->scheduler_cluster().config(),
            R"({"candidate_parent_limit":3,"filter_parent_limit":15,"job_rate_limit":10})");
  ASSERT_THAT(got->seed_peers(), SizeIs(1));
  EXPECT_EQ(got->seed_peers(0).seed_peer_cluster().config(), R"({"load_limit":2000})");
  request.set_hostname("other");
  EXPECT_THAT(Call(&Stub::async::GetScheduler, request),
              StatusIs(absl::StatusCode::kNotFound, "record not found"));
}

TEST_F(ManagerServiceTest, SchedulerOfAClusterNobodyMadeRunsOnDefaults) {
  ASSERT_THAT(Register(Registration("s1", 77)), IsOk());
  pb::manager::GetSchedulerRequest request;
  request.set_hostname("s1");
  request.set_scheduler_cluster_id(77);
  const auto got = Call(&Stub::async::GetScheduler, request);
  ASSERT_THAT(got, IsOk());
  EXPECT_EQ(got->scheduler_cluster().config(), "{}");
}

TEST_F(ManagerServiceTest, SeedPeersRegisterListAndLeave) {
  const auto registered = Call(&Stub::async::UpdateSeedPeer, SeedRegistration());
  ASSERT_THAT(registered, IsOk());
  EXPECT_EQ(registered->state(), "active");

  pb::manager::ListSeedPeersRequest list;
  list.set_hostname("seed-1");
  list.set_ip("10.0.0.9");
  const auto listed = Call(&Stub::async::ListSeedPeers, list);
  ASSERT_THAT(listed, IsOk());
  ASSERT_THAT(listed->seed_peers(), SizeIs(1));
  EXPECT_EQ(listed->seed_peers(0).download_port(), 4001);

  pb::manager::GetSeedPeerRequest get;
  get.set_hostname("seed-1");
  get.set_seed_peer_cluster_id(1);
  ASSERT_THAT(Call(&Stub::async::GetSeedPeer, get), IsOk());

  pb::manager::DeleteSeedPeerRequest remove;
  remove.set_hostname("seed-1");
  remove.set_seed_peer_cluster_id(1);
  EXPECT_THAT(Call(&Stub::async::DeleteSeedPeer, remove), IsOk());
  EXPECT_THAT(Call(&Stub::async::DeleteSeedPeer, remove), IsOk());
  EXPECT_THAT(Call(&Stub::async::GetSeedPeer, get), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Call(&Stub::async::ListSeedPeers, list), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ManagerServiceTest, ListsApplicationsThatHaveAPriority) {
  pb::manager::ListApplicationsRequest request;
  request.set_hostname("s1");
  request.set_ip("10.0.0.1");
  EXPECT_THAT(Call(&Stub::async::ListApplications, request),
              StatusIs(absl::StatusCode::kNotFound, "application not found"));
  {
    auto db = SqliteDb::Open(dir_.File("manager.db"));
    ASSERT_THAT(db, IsOk());
    ASSERT_THAT(db->Execute("INSERT INTO application (is_del, name, url, bio, priority) VALUES "
                            "(0, 'app', 'http://a', '', "
                            "'{\"value\":3,\"urls\":[{\"regex\":\"x\",\"value\":15}]}')"),
                IsOk());
  }
  clock_.Advance(seconds(10));
  const auto listed = Call(&Stub::async::ListApplications, request);
  ASSERT_THAT(listed, IsOk());
  ASSERT_THAT(listed->applications(), SizeIs(1));
  const auto& priority = listed->applications(0).priority();
  EXPECT_EQ(priority.value(), pb::common::LEVEL3);
  ASSERT_THAT(priority.urls(), SizeIs(1));
  EXPECT_EQ(static_cast<int>(priority.urls(0).value()), 15);
}

TEST_F(ManagerServiceTest, RefusesMessagesAgainstTheRules) {
  auto request = Registration("with_underscore");
  EXPECT_THAT(Register(request), StatusIs(absl::StatusCode::kInvalidArgument, "hostname"));
  request = Registration();
  request.set_config("{");
  EXPECT_THAT(Register(request), StatusIs(absl::StatusCode::kInvalidArgument, "config"));
  auto stream = OpenKeepAlive();
  auto beat = Beat();
  beat.set_cluster_id(0);
  RunCoro(client_loop_, stream.Write(beat));
  EXPECT_THAT(RunCoro(client_loop_, stream.Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, "cluster_id"));
}

// ---- rules and conversions without a server -----------------------------------------------------

TEST(ValidationTest, NamesTheFieldThatBreaksItsRule) {
  pb::manager::UpdateSchedulerRequest good;
  good.set_hostname("Host-1.example.com");
  good.set_ip("fd00::1");
  good.set_port(1024);
  good.set_scheduler_cluster_id(1);
  EXPECT_THAT(Validate(good), IsOk());

  const auto with = [&good](auto change) {
    auto request = good;
    change(request);
    return Validate(request);
  };
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  for (const char* name : {"", "-a", "a-", "a..b", "a_b", ".", "a b"}) {
    EXPECT_THAT(with([name](auto& r) { r.set_hostname(name); }), StatusIs(kInvalid, "hostname"))
        << name;
  }
  EXPECT_THAT(with([](auto& r) { r.set_hostname(std::string(64, 'a')); }),
              StatusIs(kInvalid, "hostname"));
  EXPECT_THAT(with([](auto& r) { r.set_ip("10.0.0"); }), StatusIs(kInvalid, "ip"));
  EXPECT_THAT(with([](auto& r) { r.set_port(1023); }), StatusIs(kInvalid, "port"));
  EXPECT_THAT(with([](auto& r) { r.set_port(65535); }), StatusIs(kInvalid, "port"));
  EXPECT_THAT(with([](auto& r) { r.set_scheduler_cluster_id(0); }),
              StatusIs(kInvalid, "scheduler_cluster_id"));
  EXPECT_THAT(with([](auto& r) { r.set_idc(std::string(1025, 'a')); }), StatusIs(kInvalid, "idc"));
  EXPECT_THAT(with([](auto& r) { r.set_source_type(static_cast<pb::manager::SourceType>(9)); }),
              StatusIs(kInvalid, "source_type"));
}

TEST(ConversionsTest, DropsNullsOfClientConfigurations) {
  EXPECT_EQ(WithoutNulls(R"({"load_limit":1,"block_list":{"task":{"download":)"
                         R"({"urls":null,"tags":["a"]}},"persistent_task":null}})"),
            R"({"block_list":{"task":{"download":{"tags":["a"]}}},"load_limit":1})");
  EXPECT_EQ(WithoutNulls("null"), "{}");
  EXPECT_EQ(WithoutNulls(""), "{}");
  EXPECT_EQ(WithoutNulls("[1]"), "{}");
  EXPECT_EQ(WithoutNulls("{"), "{}");
}

TEST(ConversionsTest, RefusesConfigurationsThatNestTooDeep) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  EXPECT_EQ(WithoutNulls(deep), "{}");
  deep += "1" + std::string(100'000, '}');
  EXPECT_EQ(WithoutNulls(deep), "{}");
  pb::manager::UpdateSchedulerRequest request;
  request.set_config(deep);
  EXPECT_THAT(FromProto(request), StatusIs(absl::StatusCode::kInvalidArgument, "config"));
  request.clear_config();
  for (int i = 0; i < 101; ++i) request.add_features("f");
  EXPECT_THAT(FromProto(request), StatusIs(absl::StatusCode::kInvalidArgument, "features"));
}

}  // namespace
}  // namespace dragonfly::manager
