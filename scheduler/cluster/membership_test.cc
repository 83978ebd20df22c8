#include "scheduler/cluster/membership.h"

#include <atomic>
#include <deque>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "common/rpc/server.h"
#include "common/testing/end_together.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"
#include "manager.grpc.pb.h"
#include "scheduler/cluster/manager_link.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

// ---- membership ---------------------------------------------------------------------------------

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
  link_.registrations = {absl::OkStatus(), absl::OkStatus(), absl::OkStatus()};
  // Ours and the original's.
  link_.streams = {absl::NotFoundError("record not found"),
                   absl::InternalError("record not found")};
  membership_.Start();
  ASSERT_TRUE(WaitForSteps(6));
  EXPECT_THAT(
      std::vector(link_.log.begin(), link_.log.begin() + 6),
      ElementsAre("register", "keep alive", "register", "keep alive", "register", "keep alive"));
}

// ---- over gRPC ----------------------------------------------------------------------------------

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
    response.mutable_scheduler_cluster()->set_config(R"({"candidate_parent_limit":4})");
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
  EndTogether ends_{&server_loop_, &client_loop_};
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
