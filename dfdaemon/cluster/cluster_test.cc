// Schedulers: conversations, announcing, the list and its refresh.

#include <gmock/gmock.h>

#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/cluster/scheduler_refresher.h"
#include "dfdaemon/cluster/schedulers_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Knows no host until one has been announced.
Awaitable<absl::Status> ForgetHosts(FakeScheduler& scheduler, AnnounceStream& stream) {
  if (scheduler.hosts.size() == 0) co_return absl::NotFoundError("host not found");
  co_return co_await SendToSource(scheduler, stream);
}

TEST_F(SchedulersTest, AConversationReportsInOrderAndEndsWithTheScheduler) {
  scheduler_.announce = SendToSource;
  Know({Live()});
  EXPECT_EQ(Run(Converse(client_, Peer())), "done");
  const auto messages = scheduler_.messages.all();
  ASSERT_EQ(messages.size(), 4U);
  const auto& download = messages[0].register_peer_request().download();
  EXPECT_EQ(download.url(), "http://origin/file");
  EXPECT_EQ(download.actual_content_length(), 5 * kMiB);
  EXPECT_EQ(download.concurrent_piece_count(), 8U);
  EXPECT_EQ(messages[1].download_peer_back_to_source_started_request().description(),
            "nobody has it");
  EXPECT_EQ(messages[2].download_piece_back_to_source_finished_request().piece().number(), 1U);
  EXPECT_TRUE(messages[3].has_download_peer_back_to_source_finished_request());
  for (const auto& message : messages) EXPECT_EQ(message.peer_id(), "peer-1");
}

TEST_F(SchedulersTest, AnnouncesTheHostAgainWhenTheSchedulerForgotIt) {
  scheduler_.announce = ForgetHosts;
  Know({Live()});
  EXPECT_EQ(Run(Converse(client_, Peer())), "done");
  EXPECT_EQ(scheduler_.hosts.size(), 1U);
}

TEST_F(SchedulersTest, AsksTheNextOwnerWhenOneIsGone) {
  scheduler_.announce = SendToSource;
  const SchedulerEndpoint dead = Dead();
  const SchedulerSet both({Live(), dead});
  std::string task(64, '0');
  for (int i = 0; both.Pick(TaskId(task))->port != dead.port; ++i) task = StrCat(100000 + i, task);
  Know(both.endpoints());
  EXPECT_EQ(Run(Converse(client_, Peer(task.substr(0, 64)))), "done");
  EXPECT_THAT(directory_.current()->endpoints(), ElementsAre(Live()));
}

TEST_F(SchedulersTest, SaysThatThereIsNoScheduler) {
  EXPECT_THAT(Run(Converse(client_, Peer())), HasSubstr("available schedulers not found"));
}

Awaitable<> LeaveAfterAReport(SchedulerClient& client, PeerIdentity peer) {
  DownloadRequest request;
  request.url = "http://origin/file";
  auto conversation = co_await client.AnnouncePeer(std::move(peer), std::move(request), {});
  if (!conversation.ok()) co_return;
  (void)co_await (*conversation)->Next();
  (*conversation)->Report(PeerBackToSourceFailed{"origin said no"});
}

TEST_F(SchedulersTest, ReportsLeaveAlsoWhenTheDriverIsGone) {
  scheduler_.announce = SendToSource;
  Know({Live()});
  Run(LeaveAfterAReport(client_, Peer()));
  Run(client_.Stop());
  const auto messages = scheduler_.messages.all();
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[1].download_peer_back_to_source_failed_request().description(),
            "origin said no");
}

TEST_F(SchedulersTest, AnnouncesToASchedulerAsSoonAsItAppears) {
  announcer_.Start();
  Know({Live()});
  ASSERT_TRUE(WaitFor([this] { return scheduler_.hosts.size() == 1; }));
  const auto message = scheduler_.hosts.all().front();
  EXPECT_EQ(message.host().id(), "127.0.0.1-node-seed");
  EXPECT_EQ(message.host().type(), 1U);
  EXPECT_EQ(message.host().port(), 4000);
  EXPECT_EQ(message.host().download_port(), 4000);
  EXPECT_EQ(message.host().proxy_port(), 4001);
  EXPECT_EQ(message.host().network().idc(), "east");
  EXPECT_EQ(message.host().scheduler_cluster_id(), 7U);
  EXPECT_GT(message.host().memory().total(), 0U);
  EXPECT_EQ(message.interval().seconds(), 300);
}

TEST_F(SchedulersTest, AnnouncesAgainAfterARefusal) {
  scheduler_.take_host = [](std::size_t nth) {
    return nth == 1 ? absl::UnavailableError("starting") : absl::OkStatus();
  };
  Know({Live()});
  announcer_.Start();
  EXPECT_TRUE(WaitFor([this] { return scheduler_.hosts.size() == 2; }));
}

TEST_F(SchedulersTest, AnnouncesToAllAndReportsTheFirstError) {
  Know({Dead(), Live()});
  const absl::Status status = Run(announcer_.AnnounceToAll());
  EXPECT_THAT(std::string(status.message()), HasSubstr("announce host to 127.0.0.1:"));
  EXPECT_EQ(scheduler_.hosts.size(), 1U);
  EXPECT_FALSE(Run(announcer_.DeleteHost()).ok());
  EXPECT_THAT(scheduler_.deleted_hosts.all(), ElementsAre("127.0.0.1-node-seed"));
}

// A source that answers what the test put there.
class ScriptedSource final : public SchedulerSource {
 public:
  explicit ScriptedSource(absl::StatusOr<ListedSchedulers>& answer) : answer_(answer) {}
  Awaitable<absl::StatusOr<ListedSchedulers>> List() override { co_return answer_; }
  [[nodiscard]] std::string name() const override { return "the script"; }

 private:
  absl::StatusOr<ListedSchedulers>& answer_;
};

class RefresherTest : public SchedulersTest {
 protected:
  absl::Status Refresh(SchedulerRefresher& refresher) { return Run(refresher.Refresh()); }
  std::unique_ptr<SchedulerRefresher> Make() {
    SchedulerRefresherOptions options;
    options.cache_path = dir_.File("schedulers.json");
    return std::make_unique<SchedulerRefresher>(io_.executor(), std::move(options),
                                                std::make_unique<ScriptedSource>(answer_),
                                                channels_, directory_, policy_, disk_);
  }

  BlockingPool disk_{1};
  TempDir dir_;
  DownloadPolicy policy_;
  absl::StatusOr<ListedSchedulers> answer_ = absl::UnavailableError("manager is away");
};

TEST_F(RefresherTest, LeavesOutWhoDoesNotAnswerAHealthCheck) {
  answer_ = ListedSchedulers{{Dead(), Live()}, {}, {}};
  const auto refresher = Make();
  EXPECT_THAT(Refresh(*refresher), IsOk());
  EXPECT_THAT(directory_.current()->endpoints(), ElementsAre(Live()));
  Run(refresher->Stop());
}

TEST_F(RefresherTest, GoesOnWithTheLastListWhenTheSourceIsAway) {
  answer_ = ListedSchedulers{{Live()}, {}, {}};
  const auto refresher = Make();
  EXPECT_THAT(Refresh(*refresher), IsOk());
  Know({});
  answer_ = absl::UnavailableError("manager is away");
  EXPECT_THAT(Refresh(*refresher), IsOk());
  EXPECT_THAT(directory_.current()->endpoints(), ElementsAre(Live()));
  Run(refresher->Stop());
}

TEST_F(RefresherTest, RemembersTheListOverARestart) {
  answer_ = ListedSchedulers{{Live()}, {}, {}};
  const auto before = Make();
  EXPECT_THAT(Refresh(*before), IsOk());
  Run(before->Stop());
  Know({});
  answer_ = absl::UnavailableError("manager is away");
  const auto after = Make();
  EXPECT_THAT(Refresh(*after), IsOk());
  EXPECT_THAT(directory_.current()->endpoints(), ElementsAre(Live()));
  Run(after->Stop());
}

TEST_F(RefresherTest, EnforcesTheBlockListOfItsClusterOverARestart) {
  const DownloadBlockList blocked{{"app"}, {}, {}, {}};
  answer_ =
      ListedSchedulers{{Live()}, {{Live().cluster_id, blocked}, {9, {{"x"}, {}, {}, {}}}}, {}};
  const auto before = Make();
  EXPECT_THAT(Refresh(*before), IsOk());
  EXPECT_EQ(policy_.list(), blocked);
  Run(before->Stop());
  (void)policy_.Replace({});
  answer_ = absl::UnavailableError("manager is away");
  const auto after = Make();
  EXPECT_THAT(Refresh(*after), IsOk());
  EXPECT_EQ(policy_.list(), blocked);
  answer_ = ListedSchedulers{{Live()}, {}, {}};
  EXPECT_THAT(Refresh(*after), IsOk());
  EXPECT_TRUE(policy_.list().empty());
  Run(after->Stop());
}

TEST_F(RefresherTest, EnforcesTheBlockListWithoutASchedulerToo) {
  answer_ = ListedSchedulers{{Dead()}, {{Dead().cluster_id, {{"app"}, {}, {}, {}}}}, {}};
  const auto refresher = Make();
  EXPECT_FALSE(Refresh(*refresher).ok());
  EXPECT_FALSE(policy_.list().empty());
  Run(refresher->Stop());
}

TEST_F(RefresherTest, EnforcesTheBlockListOfAFileWhoseSchedulersCannotBeFound) {
  answer_ = ListedSchedulers{{}, {{0, {{"app"}, {}, {}, {}}}}, "no such host"};
  const auto refresher = Make();
  EXPECT_EQ(Refresh(*refresher).message(), "the script: no such host");
  EXPECT_FALSE(policy_.list().empty());
  answer_ = ListedSchedulers{{Live()}, {}, {}};
  EXPECT_THAT(Refresh(*refresher), IsOk());
  EXPECT_TRUE(policy_.list().empty());
  answer_ = ListedSchedulers{{}, {{Live().cluster_id, {{"app"}, {}, {}, {}}}}, "no such host"};
  EXPECT_THAT(Refresh(*refresher), IsOk()) << "the scheduler that was known before";
  EXPECT_FALSE(policy_.list().empty());
  Run(refresher->Stop());
}

TEST_F(RefresherTest, KeepsTheSchedulersInUseWhenNoneIsHealthy) {
  Know({Live()});
  answer_ = ListedSchedulers{{Dead()}, {}, {}};
  const auto refresher = Make();
  const absl::Status status = Refresh(*refresher);
  EXPECT_THAT(std::string(status.message()), HasSubstr("available schedulers not found"));
  EXPECT_THAT(directory_.current()->endpoints(), ElementsAre(Live()));
  Run(refresher->Stop());
}

TEST_F(RefresherTest, TellsWhySchedulersAreUnknown) {
  const auto refresher = Make();
  EXPECT_EQ(Refresh(*refresher).message(), "the script: manager is away");
  answer_ = ListedSchedulers();
  EXPECT_EQ(Refresh(*refresher).message(), "the script knows no scheduler");
  EXPECT_THAT(directory_.current()->endpoints(), IsEmpty());
  Run(refresher->Stop());
}

TEST_F(SchedulersTest, AsksTheManagerAsWhatItIs) {
  auto& good = *manager_.answer.add_schedulers();
  good.set_hostname("s1");
  good.set_ip("10.0.0.1");
  good.set_port(8002);
  good.set_scheduler_cluster_id(7);
  good.mutable_scheduler_cluster()->set_client_config(
      R"({"load_limit": 50, "block_list": {"task": {"download": {"urls": ["client"]}}}})");
  good.mutable_scheduler_cluster()->set_seed_client_config(
      R"({"block_list": {"task": {"download": {"urls": ["seed"]}}}})");
  manager_.answer.add_schedulers()->set_ip("10.0.0.2");  // Without a port.
  const auto source = MakeManagerSource(StrCat("127.0.0.1:", port()), {}, Host());
  const auto listed = Run(source->List());
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->endpoints, ElementsAre(SchedulerEndpoint{"s1", "10.0.0.1", 8002, 7}));
  EXPECT_THAT(listed->block_lists.at(7).urls, ElementsAre("seed"));
  const auto request = manager_.requests.all().front();
  EXPECT_EQ(request.source_type(), pb::manager::SEED_PEER_SOURCE);
  EXPECT_EQ(request.hostname(), "node");
  EXPECT_EQ(request.idc(), "east");
  EXPECT_EQ(request.scheduler_cluster_id(), 7U);
}

TEST_F(SchedulersTest, ABlockListThatCannotBeReadLeavesTheOldOneInForce) {
  auto& scheduler = *manager_.answer.add_schedulers();
  scheduler.set_ip("10.0.0.1");
  scheduler.set_port(8002);
  scheduler.set_scheduler_cluster_id(7);
  auto& config = *scheduler.mutable_scheduler_cluster()->mutable_seed_client_config();
  config = R"({"block_list": {"task": {"download": {"tags": ["t"]}}}})";
  const auto source = MakeManagerSource(StrCat("127.0.0.1:", port()), {}, Host());
  ASSERT_TRUE(Run(source->List()).ok());
  config = R"({"block_list": {"task": {"download": {"tags": "t"}}}})";
  const auto listed = Run(source->List());
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_THAT(listed->problem, HasSubstr("cluster 7: block list: tags"));
  EXPECT_THAT(listed->block_lists.at(7).tags, ElementsAre("t"));
}

TEST_F(SchedulersTest, TakesSchedulersFromAFileInItsOrder) {
  LocalSchedulers local;
  local.addrs = {"127.0.0.2:8002", "127.0.0.1:8003"};
  local.block_list.tags = {"no"};
  const auto source = MakeLocalSource("file x", [&] { return local; });
  const auto listed = Run(source->List());
  ASSERT_TRUE(listed.ok()) << listed.status();
  ASSERT_EQ(listed->endpoints.size(), 2U);
  EXPECT_EQ(listed->endpoints[0].address(), "127.0.0.2:8002");
  EXPECT_EQ(listed->endpoints[1].address(), "127.0.0.1:8003");
  EXPECT_THAT(listed->block_lists.at(0).tags, ElementsAre("no"));
  local.addrs = {"127.0.0.1"};
  const auto without = Run(source->List());
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_THAT(without->endpoints, IsEmpty());
  EXPECT_THAT(without->problem, HasSubstr("'127.0.0.1' is not host:port"));
  EXPECT_THAT(without->block_lists.at(0).tags, ElementsAre("no"));
}

TEST(ManagerAddressTest, NeedsASchemeAndKnowsThePort) {
  EXPECT_EQ(ManagerAddress("http://manager:1234").value(), "manager:1234");
  EXPECT_EQ(ManagerAddress("http://manager").value(), "manager:65003");
  EXPECT_EQ(ManagerAddress("http://[::1]:5").value(), "[::1]:5");
  EXPECT_FALSE(ManagerAddress("manager:65003").ok());
  EXPECT_FALSE(ManagerAddress("").ok());
}

}  // namespace
}  // namespace dragonfly::dfdaemon
