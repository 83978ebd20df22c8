#include "scheduler/seeding/seed_peers.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "common/async/sleep.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "scheduler/swarm/test_swarm.h"

namespace dragonfly::scheduler {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

class FakeSeedClient final : public SeedPeerClient {
 public:
  Awaitable<absl::StatusOr<SeedOutcome>> Download(std::string address,
                                                  std::string download) override {
    asked.push_back(address);
    downloads.push_back(download);
    if (hang) co_await SleepFor(1h);
    if (const auto found = answers.find(address); found != answers.end()) co_return found->second;
    co_return SeedOutcome{HostId("host of " + address), PeerId("peer")};
  }
  Awaitable<absl::Status> CheckHealth(std::string address, Duration) override {
    checked.push_back(address);
    if (sick.contains(address)) co_return absl::UnavailableError("sick");
    co_return absl::OkStatus();
  }

  std::map<std::string, absl::Status> answers;
  std::set<std::string> sick;
  bool hang = false;
  std::vector<std::string> asked;
  std::vector<std::string> downloads;
  std::vector<std::string> checked;
};

class SeedPeersTest : public testing::Test {
 protected:
  HostInfo Seed(const std::string& ip, HostType type = HostType::kSuper) {
    HostInfo info = TestSwarm::SomeHost("host-" + ip, type);
    info.ip = ip;
    info.port = 4000;
    return info;
  }
  void Announce(const HostInfo& info) {
    hosts_.Announce(info, SteadyTime(1h));
    seeds_.HostAnnounced(info);
  }
  /// Runs one trigger to its end.
  absl::StatusOr<SeedOutcome> Trigger(const std::string& task) {
    std::optional<absl::StatusOr<SeedOutcome>> end;
    seeds_.Trigger({TaskId(task), "message"},
                   [&](absl::StatusOr<SeedOutcome> outcome) { end = std::move(outcome); });
    while (!end.has_value()) loop_.Poll();
    return *end;
  }
  void TearDown() override { loop_.Run(seeds_.Stop()); }

  TestLoop loop_;
  HostTable hosts_;
  FakeSeedClient client_;
  SeedPeers seeds_{SeedPeers::Options{}, hosts_, client_, loop_.executor(), Logger()};
};

TEST_F(SeedPeersTest, TheRingIsThatOfTheOriginal) {
  const char* const folder = std::getenv("DF_TEST_DATA");
  std::ifstream file(std::string(folder == nullptr ? "." : folder) + "/scheduling-vectors.json");
  const auto vectors = nlohmann::json::parse(file);
  std::size_t picks = 0;
  for (const auto& entry : vectors["cases"]) {
    if (entry["kind"] != "seed_hash_ring") continue;
    SeedPeers seeds(SeedPeers::Options{}, hosts_, client_, loop_.executor(), Logger());
    for (const std::string address : entry["inputs"]["members"]) {
      seeds.HostAnnounced(Seed(address.substr(0, address.find(':'))));
    }
    if (entry["inputs"]["members"].empty()) {
      EXPECT_FALSE(seeds.HasAvailable());
      continue;
    }
    for (const auto& [task, expect] : entry["expect"].items()) {
      const std::string owner =
          expect.is_string() ? expect.get<std::string>() : expect["seed_peer"].get<std::string>();
      EXPECT_EQ(seeds.AddressesFor(TaskId(task)).front(), owner) << task;
      ++picks;
    }
  }
  EXPECT_GT(picks, 5U);
}

TEST_F(SeedPeersTest, ASeedIsUsableTheMomentItAnnouncesItself) {
  EXPECT_FALSE(seeds_.HasAvailable());
  Announce(Seed("10.0.0.1"));
  EXPECT_TRUE(seeds_.HasAvailable());
  const auto outcome = Trigger("task");
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->host_id, HostId("host of 10.0.0.1:4000"));
  EXPECT_THAT(client_.downloads, ElementsAre("message"));
}

TEST_F(SeedPeersTest, OnlySuperSeedsAreAsked) {
  Announce(Seed("10.0.0.1", HostType::kNormal));
  Announce(Seed("10.0.0.2", HostType::kStrong));
  EXPECT_FALSE(seeds_.HasAvailable());
  EXPECT_THAT(Trigger("task"), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(SeedPeersTest, ASeedThatLeftIsAskedNoMore) {
  Announce(Seed("10.0.0.1"));
  seeds_.HostLeft(HostId("host-10.0.0.1"));
  EXPECT_FALSE(seeds_.HasAvailable());
}

TEST_F(SeedPeersTest, WhenTheOwnerCannotBeReachedTheNextIsAsked) {
  for (const char* ip : {"10.0.0.1", "10.0.0.2", "10.0.0.3"}) Announce(Seed(ip));
  const std::vector<std::string> order = seeds_.AddressesFor(TaskId("task-1"));
  ASSERT_EQ(order.size(), 3U);
  client_.answers[order[0]] = absl::UnavailableError("refused");
  EXPECT_THAT(Trigger("task-1"), IsOk());
  EXPECT_THAT(client_.asked, ElementsAre(order[0], order[1]));
  // Until a check says otherwise it stays out of the ring.
  EXPECT_EQ(seeds_.AddressesFor(TaskId("task-1")).front(), order[1]);
}

TEST_F(SeedPeersTest, AFailureOfTheSourceIsNotTriedElsewhere) {
  Announce(Seed("10.0.0.1"));
  Announce(Seed("10.0.0.2"));
  const std::string owner = seeds_.AddressesFor(TaskId("task")).front();
  client_.answers[owner] = absl::InternalError("source answered 404");
  EXPECT_THAT(Trigger("task"), StatusIs(absl::StatusCode::kInternal, "404"));
  EXPECT_THAT(client_.asked, ElementsAre(owner));
  EXPECT_EQ(seeds_.AddressesFor(TaskId("task")).front(), owner);
}

TEST_F(SeedPeersTest, ChecksRemoveSickSeedsAndBringThemBack) {
  Announce(Seed("10.0.0.1"));
  Announce(Seed("10.0.0.2"));
  client_.sick = {"10.0.0.1:4000"};
  seeds_.Start();
  while (client_.checked.size() < 2) loop_.Poll();
  while (loop_.Poll()) {
  }
  EXPECT_THAT(seeds_.AddressesFor(TaskId("t")), ElementsAre("10.0.0.2:4000"));

  client_.sick.clear();
  seeds_.HostAnnounced(Seed("10.0.0.1"));
  while (loop_.Poll()) {
  }
  EXPECT_EQ(seeds_.AddressesFor(TaskId("t")).size(), 2U);
}

TEST_F(SeedPeersTest, StopTellsWhoStillWaits) {
  Announce(Seed("10.0.0.1"));
  client_.hang = true;
  std::optional<absl::StatusOr<SeedOutcome>> end;
  seeds_.Trigger({TaskId("t"), ""},
                 [&](absl::StatusOr<SeedOutcome> outcome) { end = std::move(outcome); });
  while (client_.asked.empty()) loop_.Poll();
  loop_.Run(seeds_.Stop());
  ASSERT_TRUE(end.has_value());
  EXPECT_THAT(*end, StatusIs(absl::StatusCode::kCancelled));

  std::optional<absl::StatusOr<SeedOutcome>> late;
  seeds_.Trigger({TaskId("t"), ""},
                 [&](absl::StatusOr<SeedOutcome> outcome) { late = std::move(outcome); });
  ASSERT_TRUE(late.has_value());
  loop_.Run(seeds_.Stop());
}

TEST_F(SeedPeersTest, SwitchedOffItHasNobody) {
  SeedPeers::Options options;
  options.enabled = false;
  SeedPeers off(options, hosts_, client_, loop_.executor(), Logger());
  off.Start();
  off.HostAnnounced(Seed("10.0.0.1"));
  EXPECT_FALSE(off.HasAvailable());
  loop_.Run(off.Stop());
}

TEST(SeedAddressTest, PutsIpv6IntoBrackets) {
  HostInfo host = TestSwarm::SomeHost("h");
  host.ip = "2001:db8::1";
  host.port = 4000;
  EXPECT_EQ(SeedAddress(host), "[2001:db8::1]:4000");
}

}  // namespace
}  // namespace dragonfly::scheduler
