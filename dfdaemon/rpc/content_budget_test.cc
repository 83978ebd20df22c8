#include "dfdaemon/rpc/content_budget.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

#include "common/async/runtime.h"
#include "common/async/task_group.h"
#include "common/async/with_timeout.h"
#include "common/testing/matchers.h"
#include "common/testing/run_coro.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using Share = ContentBudget::Share;

class ContentBudgetTest : public testing::Test {
 protected:
  // Everything on `io`, in one coroutine per test.
  static Awaitable<> TakeInto(ContentBudget& budget, std::uint64_t bytes, int name,
                              std::vector<std::pair<int, Share>>& out) {
    auto share = co_await budget.Take(bytes);
    if (share.ok()) out.emplace_back(name, *std::move(share));
  }
  // Lets everything that can run do so.
  static Awaitable<> Settle() {
    for (int i = 0; i < 10; ++i) {
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    }
  }
  static std::vector<int> Names(const std::vector<std::pair<int, Share>>& shares) {
    std::vector<int> names;
    for (const auto& [name, share] : shares) names.push_back(name);
    return names;
  }

  Runtime io_{"io", 1};
  ContentBudget budget_{io_.executor(), {.bytes = 100, .max_waiting = 2}};
};

TEST_F(ContentBudgetTest, GivesWhatFitsAndLetsTheOthersWaitTheirTurn) {
  auto body = [](ContentBudget& budget) -> Awaitable<> {
    TaskGroup group(co_await asio::this_coro::executor);
    std::vector<std::pair<int, Share>> shares;
    group.Spawn(TakeInto(budget, 60, 1, shares));
    co_await Settle();
    group.Spawn(TakeInto(budget, 60, 2, shares));
    co_await Settle();
    // It would fit, but another one came first.
    group.Spawn(TakeInto(budget, 10, 3, shares));
    co_await Settle();
    EXPECT_THAT(Names(shares), ElementsAre(1));
    EXPECT_EQ(budget.waiting(), 2U);
    shares.clear();
    co_await Settle();
    EXPECT_THAT(Names(shares), ElementsAre(2, 3));
    EXPECT_EQ(budget.taken(), 70U);
    shares.clear();
    co_await Settle();
    EXPECT_EQ(budget.taken(), 0U);
    co_await group.Stop();
  };
  RunCoro(io_, body(budget_));
}

TEST_F(ContentBudgetTest, RefusesWhenManyWait) {
  auto body = [](ContentBudget& budget) -> Awaitable<> {
    TaskGroup group(co_await asio::this_coro::executor);
    std::vector<std::pair<int, Share>> shares;
    for (int i = 0; i < 3; ++i) group.Spawn(TakeInto(budget, 100, i, shares));
    co_await Settle();
    EXPECT_THAT(co_await budget.Take(1), StatusIs(absl::StatusCode::kResourceExhausted));
    co_await group.Stop();
    EXPECT_EQ(budget.waiting(), 0U);
  };
  RunCoro(io_, body(budget_));
}

TEST_F(ContentBudgetTest, OneWhoLeavesGivesUpItsPlace) {
  auto body = [](ContentBudget& budget) -> Awaitable<> {
    TaskGroup group(co_await asio::this_coro::executor);
    std::vector<std::pair<int, Share>> shares;
    group.Spawn(TakeInto(budget, 60, 1, shares));
    co_await Settle();
    EXPECT_FALSE((co_await WithTimeout(budget.Take(90), milliseconds(1), "take")).ok());
    group.Spawn(TakeInto(budget, 40, 2, shares));
    co_await Settle();
    EXPECT_THAT(Names(shares), ElementsAre(1, 2));
    co_await group.Stop();
  };
  RunCoro(io_, body(budget_));
}

TEST_F(ContentBudgetTest, MoreThanTheWholeFitsAlone) {
  auto body = [](ContentBudget& budget) -> Awaitable<> {
    TaskGroup group(co_await asio::this_coro::executor);
    std::vector<std::pair<int, Share>> shares;
    group.Spawn(TakeInto(budget, 1000, 1, shares));
    group.Spawn(TakeInto(budget, 1, 2, shares));
    co_await Settle();
    EXPECT_THAT(Names(shares), ElementsAre(1));
    shares.clear();
    co_await Settle();
    EXPECT_THAT(Names(shares), ElementsAre(2));
    co_await group.Stop();
  };
  RunCoro(io_, body(budget_));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
