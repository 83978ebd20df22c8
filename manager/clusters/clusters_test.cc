#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/temp_dir.h"
#include "common/testing/wait_for.h"
#include "manager/clusters/cluster_directory.h"
#include "manager/clusters/cluster_matcher.h"
#include "manager/clusters/cluster_snapshot.h"
#include "manager/clusters/ip_prefix.h"
#include "manager/clusters/liveness.h"
#include "manager/clusters/stale_members.h"

namespace dragonfly::manager {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// ---- matching -----------------------------------------------------------------------------------

struct ScoreCase {
  std::string name;
  std::string scopes;
  bool is_default;
  HostQuery host;
  double score;
};

class ClusterMatcherTest : public testing::TestWithParam<ScoreCase> {};

TEST_P(ClusterMatcherTest, ScoresAsTheOriginal) {
  const ScoreCase& c = GetParam();
  EXPECT_THAT(ClusterMatcher(c.scopes, c.is_default).Score(c.host), DoubleNear(c.score, 1e-9));
}

const ScoreCase kScoreCases[] = {
    {"NothingMatchesNothing", "{}", false, {}, 0},
    {"DefaultCluster", "{}", true, {"10.0.0.1", "h", "i", "l"}, 0.01},
    {"NullScopes", "null", true, {"10.0.0.1", "h", "i", "l"}, 0.01},
    {"ScopesThatAreNoJson", "{", true, {"10.0.0.1", "h", "i", "l"}, 0.01},
    {"Cidr", R"({"cidrs":["10.0.0.0/8"]})", false, {.ip = "10.9.8.7"}, 0.30},
    {"SecondCidr", R"({"cidrs":["bad","10.0.0.0/30"]})", false, {.ip = "10.0.0.3"}, 0.30},
    {"OutsideOfCidr", R"({"cidrs":["10.0.0.0/30"]})", false, {.ip = "10.0.0.4"}, 0},
    {"Ipv6Cidr", R"({"cidrs":["fd00::/7"]})", false, {.ip = "fc00::1"}, 0.30},
    {"MappedAddress", R"({"cidrs":["10.0.0.0/8"]})", false, {.ip = "::ffff:10.1.1.1"}, 0.30},
    {"Ipv4CidrTakesNoIpv6", R"({"cidrs":["0.0.0.0/0"]})", false, {.ip = "fc00::1"}, 0},
    {"HostnameAnywhere", R"({"hostnames":["b[0-9]"]})", false, {.hostname = "ab1c"}, 0.30},
    {"HostnameMindsCase", R"({"hostnames":["b[0-9]"]})", false, {.hostname = "aB1c"}, 0},
    {"BadRegexIsSkipped", R"({"hostnames":["(","x"]})", false, {.hostname = "x"}, 0.30},
    {"EmptyHostname", R"({"hostnames":[".*"]})", false, {}, 0},
    {"IdcOfList", R"({"idc":"a|B|c"})", false, {.idc = "b"}, 0.25},
    {"WholeIdc", R"({"idc":"a|b"})", false, {.idc = "A|B"}, 0.25},
    {"OtherIdc", R"({"idc":"ab"})", false, {.idc = "a"}, 0},
    {"SameLocation", R"({"location":"a|b|c|d|e|f"})", false, {.location = "A|b|c|d|e|f"}, 0.14},
    {"TwoOfLocation", R"({"location":"a|b|x"})", false, {.location = "a|b|y"}, 0.14 * 2 / 5},
    {"SixthElementDoesNotCount",
     R"({"location":"a|b|c|d|e|f"})",
     false,
     {.location = "a|b|c|d|e|g"},
     0.14},
    {"LocationLeadingOnly", R"({"location":"x|b"})", false, {.location = "a|b"}, 0},
    {"Everything",
     R"({"idc":"i","location":"l","cidrs":["1.0.0.0/8"],"hostnames":["h"]})",
     true,
     {"1.2.3.4", "h", "i", "l"},
     1.0},
};

INSTANTIATE_TEST_SUITE_P(Cases, ClusterMatcherTest, testing::ValuesIn(kScoreCases),
                         [](const auto& info) { return info.param.name; });

TEST(ClusterMatcherTest, NamesWhatItCannotRead) {
  const ClusterMatcher matcher(R"({"cidrs":["bad"],"hostnames":["("]})", false);
  EXPECT_THAT(matcher.problems(), ElementsAre("no CIDR: bad", "no regular expression: ("));
}

TEST(IpPrefixTest, RefusesWhatIsNoNetwork) {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "fd00::/129",
                           "10.0.0/8", "/8", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IpPrefix::Parse(text).has_value()) << text;
  }
  EXPECT_TRUE(IpPrefix::Parse("10.0.0.0/32").has_value());
  EXPECT_TRUE(IpPrefix::Parse("::/0").has_value());
}

// ---- the snapshot -------------------------------------------------------------------------------

Scheduler MakeScheduler(std::uint64_t id, std::uint64_t cluster, State state = State::kActive,
                        std::string features = R"(["schedule","preheat"])") {
  Scheduler result;
  result.id = id;
  result.host_name = "s" + std::to_string(id);
  result.ip = "10.0.0." + std::to_string(id);
  result.port = 8002;
  result.state = state;
  result.features_json = std::move(features);
  result.config_json = R"({"manager_keep_alive_interval":5000000000})";
  result.scheduler_cluster_id = cluster;
  return result;
}

SeedPeer MakeSeedPeer(std::uint64_t id, std::uint64_t cluster, State state = State::kActive) {
  SeedPeer result;
  result.id = id;
  result.host_name = "seed" + std::to_string(id);
  result.ip = "10.1.0." + std::to_string(id);
  result.state = state;
  result.seed_peer_cluster_id = cluster;
  return result;
}

SchedulerCluster MakeCluster(std::uint64_t id, std::string scopes, bool is_default = false) {
  return {id, "cluster-" + std::to_string(id), "", "{}", "{}", "{}", std::move(scopes), is_default};
}

template <class Row>
std::vector<std::uint64_t> Ids(const std::vector<const Row*>& rows) {
  std::vector<std::uint64_t> ids;
  for (const Row* row : rows) ids.push_back(row->id);
  return ids;
}

Topology TwoClusters() {
  Topology topology;
  topology.scheduler_clusters = {MakeCluster(1, "{}", true), MakeCluster(2, R"({"idc":"b"})")};
  topology.schedulers = {MakeScheduler(1, 1), MakeScheduler(2, 2), MakeScheduler(3, 1),
                         MakeScheduler(4, 2, State::kInactive),
                         MakeScheduler(5, 2, State::kActive, R"(["preheat"])")};
  topology.seed_peers = {MakeSeedPeer(1, 1), MakeSeedPeer(2, 1, State::kInactive),
                         MakeSeedPeer(3, 2)};
  topology.seed_peer_clusters = {{1, "seeds-1", "", "{}"}, {2, "seeds-2", "", "{}"}};
  topology.links = {{1, 1}, {2, 2}};
  return topology;
}

TEST(ClusterSnapshotTest, PutsTheBestClusterFirstAndItsSchedulersInOrder) {
  const ClusterSnapshot snapshot(TwoClusters());
  EXPECT_THAT(Ids(snapshot.Search({.idc = "b"}).schedulers), ElementsAre(2, 1, 3));
  EXPECT_THAT(Ids(snapshot.Search({.idc = "c"}).schedulers), ElementsAre(1, 3, 2));
}

TEST(ClusterSnapshotTest, SkipsSchedulersThatAreInactiveOrDoNotSchedule) {
  const ClusterSnapshot snapshot(TwoClusters());
  const auto found = snapshot.Search({});
  EXPECT_FALSE(found.fell_back);
  EXPECT_THAT(Ids(found.schedulers), testing::Not(testing::Contains(4)));
  EXPECT_THAT(Ids(found.schedulers), testing::Not(testing::Contains(5)));
}

TEST(ClusterSnapshotTest, GivesEveryActiveSchedulerWhenNoneHasTheFeature) {
  Topology topology = TwoClusters();
  topology.schedulers = {MakeScheduler(4, 2, State::kInactive),
                         MakeScheduler(5, 2, State::kActive, "null")};
  const ClusterSnapshot snapshot(std::move(topology));
  const auto found = snapshot.Search({});
  EXPECT_TRUE(found.fell_back);
  EXPECT_THAT(Ids(found.schedulers), ElementsAre(5));
}

TEST(ClusterSnapshotTest, ListsAllSchedulersOfAClusterThatIsNamed) {
  EXPECT_THAT(Ids(ClusterSnapshot(TwoClusters()).SchedulersOf(2)), ElementsAre(2, 4, 5));
  EXPECT_THAT(ClusterSnapshot(TwoClusters()).SchedulersOf(9), IsEmpty());
}

TEST(ClusterSnapshotTest, FindsMembersByNameWithoutCaseAndPrefersTheAddress) {
  Topology topology = TwoClusters();
  topology.schedulers[2].host_name = "S1";
  const ClusterSnapshot snapshot(std::move(topology));
  EXPECT_EQ(snapshot.FindScheduler({"s1", "10.0.0.3", 1})->id, 3U);
  EXPECT_EQ(snapshot.FindScheduler({"s1", "10.0.0.77", 1})->id, 1U);
  EXPECT_EQ(snapshot.FindScheduler({"s1", "", 1})->id, 1U);
  EXPECT_EQ(snapshot.FindScheduler({"s1", "", 2}), nullptr);
  EXPECT_EQ(snapshot.FindSeedPeerOfHost("seed3", "10.1.0.3")->id, 3U);
  EXPECT_EQ(snapshot.FindSeedPeerOfHost("seed3", "10.1.0.4"), nullptr);
}

TEST(ClusterSnapshotTest, LinksSeedPeersAndSchedulersThroughTheirClusters) {
  const ClusterSnapshot snapshot(TwoClusters());
  EXPECT_THAT(Ids(snapshot.SeedPeersFor(1)), ElementsAre(1));
  EXPECT_THAT(Ids(snapshot.SeedPeersFor(2)), ElementsAre(3));
  EXPECT_THAT(Ids(snapshot.SchedulersFor(2)), ElementsAre(2, 5));
}

// ---- silence ------------------------------------------------------------------------------------

TEST(StaleMembersTest, AllowsThreeIntervalsButNeverLessThanTheFloor) {
  EXPECT_EQ(AllowedSilence(R"({"manager_keep_alive_interval":20000000000})"), seconds(60));
  EXPECT_EQ(AllowedSilence(R"({"manager_keep_alive_interval":1000000000})"), kMinSilence);
  EXPECT_EQ(AllowedSilence("{}"), kMinSilence);
  EXPECT_EQ(AllowedSilence("not json"), kMinSilence);
  EXPECT_EQ(AllowedSilence(R"({"manager_keep_alive_interval":-1})"), kMinSilence);
  EXPECT_LE(AllowedSilence(R"({"manager_keep_alive_interval":9223372036854775807})"),
            std::chrono::hours(3));
}

TEST(StaleMembersTest, NamesOnlySilentActiveSchedulersThatToldTheirInterval) {
  const WallTime now{std::chrono::hours(1000)};
  Topology topology;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    topology.schedulers.push_back(MakeScheduler(id, 1));
    topology.schedulers.back().last_keep_alive_at = now - seconds(16);
  }
  topology.schedulers[1].state = State::kInactive;
  topology.schedulers[2].config_json = "null";
  topology.schedulers[3].last_keep_alive_at = now - seconds(15);
  const auto stale = StaleSchedulers(topology, now);
  ASSERT_THAT(stale, SizeIs(1));
  EXPECT_EQ(stale[0].host_name, "s1");
}

// ---- directory and liveness on a real database --------------------------------------------------

class LivenessTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = OpenDatabase({"sqlite", dir_.File("manager.db")});
    ASSERT_THAT(opened, IsOk());
    database_ = *std::move(opened);
    ASSERT_THAT(database_->Seed({"hash", "key"}, clock_.WallNow()), IsOk());
    directory_ = std::make_unique<ClusterDirectory>(loop_.executor(), ClusterDirectoryOptions{},
                                                    *database_, pool_, clock_, Logger());
    liveness_ = std::make_unique<Liveness>(loop_.executor(), LivenessOptions{}, *directory_, clock_,
                                           Logger());
  }
  void TearDown() override {
    loop_.Run(liveness_->Stop());
    loop_.Run(directory_->Stop());
  }

  void Register() {
    SchedulerRegistration registration;
    registration.key = key_;
    registration.port = 8002;
    registration.features_json = R"(["schedule"])";
    registration.config_json = R"({"manager_keep_alive_interval":5000000000})";
    ASSERT_THAT(loop_.Run(directory_->Register(registration)), IsOk());
  }
  std::shared_ptr<const ClusterSnapshot> Snapshot() {
    auto snapshot = loop_.Run(directory_->Snapshot());
    EXPECT_THAT(snapshot, IsOk());
    return *snapshot;
  }
  State StateNow() { return Snapshot()->FindScheduler(key_)->state; }
  std::unique_ptr<Liveness::Session> Open() {
    return std::make_unique<Liveness::Session>(*liveness_, Liveness::Kind::kScheduler, key_);
  }
  /// Until what a session's end started is done.
  bool WaitForState(State state) {
    return loop_.Run(CoWaitFor([this, state] {
      const auto topology = database_->LoadTopology();
      return topology.ok() && topology->schedulers[0].state == state;
    }));
  }

  const MemberKey key_{"sched-1", "10.0.0.1", 1};
  TempDir dir_;
  FakeClock clock_;
  BlockingPool pool_{1};
  TestLoop loop_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ClusterDirectory> directory_;
  std::unique_ptr<Liveness> liveness_;
};

TEST_F(LivenessTest, SchedulerIsActiveFromItsFirstMessageToTheEndOfItsStream) {
  Register();
  EXPECT_EQ(StateNow(), State::kInactive);
  auto session = Open();
  EXPECT_EQ(StateNow(), State::kInactive);
  EXPECT_THAT(loop_.Run(session->Beat()), IsOk());
  EXPECT_EQ(StateNow(), State::kActive);
  session.reset();
  EXPECT_TRUE(WaitForState(State::kInactive));
  EXPECT_EQ(liveness_->sessions(), 0U);
}

TEST_F(LivenessTest, EndOfTheOldStreamDoesNotHideASchedulerThatReconnected) {
  Register();
  auto first = Open();
  ASSERT_THAT(loop_.Run(first->Beat()), IsOk());
  auto second = Open();
  first.reset();
  while (loop_.Poll()) {
  }
  EXPECT_EQ(StateNow(), State::kActive);
  ASSERT_THAT(loop_.Run(second->Beat()), IsOk());
  EXPECT_EQ(StateNow(), State::kActive);
}

TEST_F(LivenessTest, EveryMessageMakesActiveAgain) {
  Register();
  auto session = Open();
  ASSERT_THAT(loop_.Run(session->Beat()), IsOk());
  ASSERT_THAT(loop_.Run(directory_->Deactivate(Liveness::Kind::kScheduler, key_)), IsOk());
  EXPECT_EQ(StateNow(), State::kInactive);
  ASSERT_THAT(loop_.Run(session->Beat()), IsOk());
  EXPECT_EQ(StateNow(), State::kActive);
}

TEST_F(LivenessTest, MessageOfAStrangerIsRefused) {
  auto session = Open();
  EXPECT_THAT(loop_.Run(session->Beat()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LivenessTest, ManagerThatLeavesTakesNobodyWithIt) {
  Register();
  auto session = Open();
  ASSERT_THAT(loop_.Run(session->Beat()), IsOk());
  liveness_->Leave();
  session.reset();
  while (loop_.Poll()) {
  }
  EXPECT_EQ(StateNow(), State::kActive);
}

TEST_F(LivenessTest, SweepFindsTheSchedulerThatFellSilent) {
  Register();
  auto session = Open();
  ASSERT_THAT(loop_.Run(session->Beat()), IsOk());
  clock_.Advance(seconds(14));
  ASSERT_THAT(loop_.Run(liveness_->Sweep()), IsOk());
  EXPECT_EQ(StateNow(), State::kActive);
  clock_.Advance(seconds(2));
  ASSERT_THAT(loop_.Run(liveness_->Sweep()), IsOk());
  EXPECT_EQ(StateNow(), State::kInactive);
}

TEST_F(LivenessTest, SnapshotIsReusedUntilItsTimeIsOver) {
  const auto first = Snapshot();
  EXPECT_EQ(Snapshot(), first);
  clock_.Advance(seconds(5));
  EXPECT_NE(Snapshot(), first);
}

TEST_F(LivenessTest, WriteShowsAtOnce) {
  const auto first = Snapshot();
  EXPECT_EQ(first->FindScheduler(key_), nullptr);
  Register();
  EXPECT_NE(Snapshot()->FindScheduler(key_), nullptr);
}

TEST_F(LivenessTest, KeepaliveThatChangesNothingKeepsTheSnapshot) {
  Register();
  auto session = Open();
  ASSERT_THAT(loop_.Run(session->Beat()), IsOk());
  const auto before = Snapshot();
  ASSERT_THAT(loop_.Run(session->Beat()), IsOk());
  EXPECT_EQ(Snapshot(), before);
}

}  // namespace
}  // namespace dragonfly::manager
