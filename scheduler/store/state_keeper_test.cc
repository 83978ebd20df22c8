#include "scheduler/store/state_keeper.h"

#include <deque>

#include <gtest/gtest.h>

#include "common/base/strings.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"
#include "common/testing/wait_for.h"

namespace dragonfly::scheduler {
namespace {

StateChanges Task(const std::string& id) {
  StateChanges changes;
  changes.tasks.emplace_back().id = TaskId(id);
  return changes;
}

/// Remembers what it is given, and is away when told so.
class FakeStore final : public StateStore {
 public:
  Awaitable<absl::Status> Load(Sink sink) override {
    ++loads;
    if (!status.ok()) co_return status;
    sink(Task("old"));
    co_return absl::OkStatus();
  }
  Awaitable<absl::Status> Save(const StateChanges& changes) override {
    ++saves;
    if (!status.ok()) co_return status;
    for (const TaskRecord& task : changes.tasks) saved.push_back(task.id.str());
    co_return absl::OkStatus();
  }

  absl::Status status;
  int loads = 0;
  int saves = 0;
  std::vector<std::string> saved;
};

class FakeSource final : public StateSource {
 public:
  Awaitable<StateChanges> TakeChanges(std::size_t) override {
    StateChanges taken;
    if (!changes.empty()) {
      taken = std::move(changes.front());
      changes.pop_front();
    }
    co_return taken;
  }
  void ChangesLost() override { ++lost; }
  void Restore(StateChanges records) override {
    for (const TaskRecord& task : records.tasks) restored.push_back(task.id.str());
  }

  std::deque<StateChanges> changes;
  std::vector<std::string> restored;
  int lost = 0;
};

class StateKeeperTest : public ::testing::Test {
 protected:
  static StateKeeper::Options Quick() {
    StateKeeper::Options options;
    options.interval = options.longest_pause = std::chrono::milliseconds(1);
    return options;
  }
  bool Until(std::function<bool()> condition) { return loop_.Run(CoWaitFor(std::move(condition))); }
  ~StateKeeperTest() override { loop_.Run(keeper_.Stop()); }

  TestLoop loop_;
  FakeStore store_;
  FakeSource source_;
  StateKeeper keeper_{Quick(), store_, source_, loop_.executor(), Logger()};
};

TEST_F(StateKeeperTest, WritesWhatChanges) {
  ASSERT_THAT(loop_.Run(keeper_.Load()), IsOk());
  EXPECT_EQ(source_.restored, (std::vector<std::string>{"old"}));
  keeper_.Start();
  source_.changes = {Task("a"), Task("b")};
  EXPECT_TRUE(Until([this] { return store_.saved.size() == 2; }));
  EXPECT_EQ(source_.lost, 0);
}

TEST_F(StateKeeperTest, AWrongPasswordIsAnErrorAndAStoreThatIsAwayIsNot) {
  store_.status = absl::UnauthenticatedError("WRONGPASS");
  EXPECT_THAT(loop_.Run(keeper_.Load()), StatusIs(absl::StatusCode::kUnauthenticated));
  store_.status = absl::UnavailableError("refused");
  EXPECT_THAT(loop_.Run(keeper_.Load()), IsOk());
}

TEST_F(StateKeeperTest, ReadsBeforeItWrites) {
  store_.status = absl::UnavailableError("refused");
  ASSERT_THAT(loop_.Run(keeper_.Load()), IsOk());
  source_.changes = {Task("a")};
  keeper_.Start();
  EXPECT_TRUE(Until([this] { return store_.loads > 3; }));
  EXPECT_EQ(store_.saves, 0);
  store_.status = absl::OkStatus();
  EXPECT_TRUE(Until([this] { return store_.saved.size() == 1; }));
  EXPECT_EQ(source_.restored, (std::vector<std::string>{"old"}));
}

TEST_F(StateKeeperTest, WritesEverythingAnewAfterTheStoreWasAway) {
  ASSERT_THAT(loop_.Run(keeper_.Load()), IsOk());
  store_.status = absl::UnavailableError("refused");
  source_.changes = {Task("a")};
  keeper_.Start();
  EXPECT_TRUE(Until([this] { return store_.saves > 3; }));
  EXPECT_EQ(source_.lost, 0);
  store_.status = absl::OkStatus();
  EXPECT_TRUE(Until([this] { return source_.lost == 1; }));
  EXPECT_EQ(store_.saved, (std::vector<std::string>{"a"}));
}

TEST_F(StateKeeperTest, TheLastChangesAreWrittenAtTheEnd) {
  ASSERT_THAT(loop_.Run(keeper_.Load()), IsOk());
  keeper_.Start();
  source_.changes = {Task("a")};
  loop_.Run(keeper_.Stop());
  EXPECT_EQ(store_.saved, (std::vector<std::string>{"a"}));
}

}  // namespace
}  // namespace dragonfly::scheduler
