#include "dfdaemon/cluster/scheduler_list.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace dragonfly::dfdaemon {
namespace {

SchedulerEndpoint At(std::string ip, std::uint64_t cluster = 1) {
  return {"scheduler", std::move(ip), 8002, cluster};
}

TEST(SelectUsableTest, GivesNothingWhenNoneIsHealthy) {
  const std::vector<SchedulerEndpoint> listed = {At("10.0.0.1"), At("10.0.0.2")};
  EXPECT_TRUE(SelectUsable(listed, {false, false}).empty());
  EXPECT_TRUE(SelectUsable({}, {}).empty());
}

TEST(SelectUsableTest, KeepsTheClusterOfTheFirstHealthyOne) {
  const std::vector<SchedulerEndpoint> listed = {At("10.0.0.1", 1), At("10.0.0.2", 2),
                                                 At("10.0.0.3", 1), At("10.0.0.4", 2)};
  const auto usable = SelectUsable(listed, {false, true, true, true});
  ASSERT_EQ(usable.size(), 2U);
  EXPECT_EQ(usable[0].ip, "10.0.0.2");
  EXPECT_EQ(usable[1].ip, "10.0.0.4");
}

TEST(SchedulerSetTest, SaysThatThereIsNoScheduler) {
  const SchedulerSet none;
  EXPECT_EQ(none.Pick(TaskId("27554d06")).status().code(), absl::StatusCode::kUnavailable);
}

TEST(SchedulerSetTest, RefusesATaskIdThatIsTooShort) {
  const SchedulerSet one({At("10.0.0.1")});
  EXPECT_EQ(one.Pick(TaskId("abc")).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SchedulerSetTest, LeavesOutEndpointsThatAreNoAddress) {
  const SchedulerSet set({At("scheduler.local"), At("10.0.0.1"), {"x", "10.0.0.2", 0, 1}});
  ASSERT_EQ(set.endpoints().size(), 1U);
  EXPECT_EQ(set.Pick(TaskId("27554d06"))->ip, "10.0.0.1");
}

// Owners computed with the original's ring, see the vectors of common/hashring.
TEST(SchedulerSetTest, PicksTheOwnerThatEveryOtherDaemonPicks) {
  const SchedulerSet set({At("10.0.0.3"), At("10.0.0.1"), At("10.0.0.2")});
  const std::vector<std::pair<std::string, std::string>> owners = {{"00000", "10.0.0.2"},
                                                                   {"12345", "10.0.0.1"},
                                                                   {"27554d06", "10.0.0.1"},
                                                                   {"abcdef", "10.0.0.2"},
                                                                   {"fffff", "10.0.0.2"}};
  for (const auto& [task, ip] : owners) {
    const auto owner = set.Pick(TaskId(task));
    ASSERT_TRUE(owner.ok()) << task;
    EXPECT_EQ(owner->ip, ip) << task;
  }
}

TEST(SchedulerEndpointTest, WritesIpv6InBrackets) {
  EXPECT_EQ(At("2001:db8::1").address(), "[2001:db8::1]:8002");
  EXPECT_EQ(At("10.0.0.1").address(), "10.0.0.1:8002");
}

class SchedulerListFileTest : public testing::Test {
 protected:
  SchedulerListFileTest() {
    dir_ =
        std::filesystem::temp_directory_path() / ("scheduler_list_" + std::to_string(::getpid()));
    std::filesystem::remove_all(dir_);
    path_ = dir_ / "cache/schedulers.json";
  }
  ~SchedulerListFileTest() override { std::filesystem::remove_all(dir_); }
  void Write(const std::string& text) {
    std::filesystem::create_directories(dir_ / "cache");
    std::ofstream(path_) << text;
  }
  std::filesystem::path dir_;
  std::string path_;
};

TEST_F(SchedulerListFileTest, IsNotFoundWhenAbsent) {
  EXPECT_EQ(LoadSchedulerList(path_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SchedulerListFileTest, IsRefusedWhenDamaged) {
  for (const char* text : {"", "{", "[]", R"({"schedulers":3})", R"({"schedulers":[{"ip":1}]})",
                           R"({"schedulers":[{"ip":"1.2.3.4","port":70000}]})",
                           R"({"schedulers":[{"ip":"1.2.3.4","port":-1}]})",
                           R"({"schedulers":[],"block_lists":{"x":"{}"}})",
                           R"({"schedulers":[],"block_lists":{"1":"{"}})"}) {
    Write(text);
    EXPECT_EQ(LoadSchedulerList(path_).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST_F(SchedulerListFileTest, ComesBackAsItWasSaved) {
  const ListedSchedulers saved{
      {At("10.0.0.1", 7), At("2001:db8::1", 7)}, {{7, {{"app"}, {"url"}, {"tag"}, {3}}}}, {}};
  ASSERT_TRUE(SaveSchedulerList(path_, saved).ok());
  ASSERT_TRUE(SaveSchedulerList(path_, saved).ok());  // Over the older file.
  const auto loaded = LoadSchedulerList(path_);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*loaded, saved);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
