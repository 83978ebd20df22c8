#include <atomic>
#include <chrono>
#include <future>

#include <gtest/gtest.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/blocking_pool.h"
#include "common/async/notifier.h"
#include "common/async/run_on.h"
#include "common/async/runtime.h"
#include "common/async/single_flight.h"
#include "common/async/sleep.h"
#include "common/async/task_group.h"
#include "common/async/with_timeout.h"

namespace dragonfly {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <class T>
T RunHere(Runtime& runtime, Awaitable<T> work) {
  auto future = asio::co_spawn(runtime.executor(), std::move(work), asio::use_future);
  if (future.wait_for(seconds(20)) != std::future_status::ready) {
    ADD_FAILURE() << "the coroutine did not end within 20 s";
    std::abort();
  }
  return future.get();
}

Awaitable<absl::Status> SleepThenOk(Duration duration) {
  co_await SleepFor(duration);
  co_return absl::OkStatus();
}

TEST(WithTimeoutTest, ReportsDeadlineExceededAndCancelsTheWork) {
  Runtime runtime("test", 1);
  const absl::Status status =
      RunHere(runtime, WithTimeout(SleepThenOk(seconds(3600)), milliseconds(5), "wait for parents"));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), "wait for parents: timed out after 5 ms");
}

TEST(WithTimeoutTest, PassesTheResultThroughWhenInTime) {
  Runtime runtime("test", 1);
  EXPECT_TRUE(RunHere(runtime, WithTimeout(SleepThenOk(milliseconds(1)), seconds(10), "x")).ok());
}

Awaitable<> CountThenWaitForever(std::atomic<int>& started) {
  ++started;
  co_await SleepFor(seconds(3600));
}

Awaitable<int> StopWhenStarted(TaskGroup& group, std::atomic<int>& started) {
  while (started < 3) co_await SleepFor(milliseconds(1));
  co_await group.Stop();
  co_return static_cast<int>(group.running());
}

TEST(TaskGroupTest, StopCancelsWhatRunsAndWaitsForIt) {
  Runtime runtime("test", 2);
  std::atomic<int> started = 0;
  TaskGroup group(runtime.executor(1));
  for (int i = 0; i < 3; ++i) group.Spawn(CountThenWaitForever(started));
  EXPECT_EQ(RunHere(runtime, StopWhenStarted(group, started)), 0);
  group.Spawn(CountThenWaitForever(started));
  EXPECT_EQ(group.running(), 0U) << "a stopped group takes no new work";
}

// Does not end before the gate opens, cancelled or not.
Awaitable<> EndWithGate(BlockingPool& pool, std::shared_future<void> gate) {
  auto wait = [gate = std::move(gate)] {
    gate.wait();
    return true;
  };
  co_await pool.Run(std::move(wait));
}

Awaitable<> StopAndTell(TaskGroup& group, bool& stopped) {
  co_await group.Stop();
  stopped = true;
}

Awaitable<> Emit(asio::cancellation_signal& signal) {
  signal.emit(asio::cancellation_type::terminal);
  co_return;
}

Awaitable<bool> Read(const bool& value) { co_return value; }

TEST(TaskGroupTest, ACancelledStopWaitsNevertheless) {
  Runtime runtime("test", 1);
  BlockingPool pool(1);
  TaskGroup group(runtime.executor());
  std::promise<void> gate;
  bool stopped = false;
  group.Spawn(EndWithGate(pool, gate.get_future().share()));
  asio::cancellation_signal cancel;
  auto stopping = asio::co_spawn(runtime.executor(), StopAndTell(group, stopped),
                                 asio::bind_cancellation_slot(cancel.slot(), asio::use_future));
  RunHere(runtime, Emit(cancel));
  // By then a wait that was cancelled would be over.
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(RunHere(runtime, Read(stopped)));
  gate.set_value();
  stopping.get();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(group.running(), 0U);
}

Awaitable<bool> WaitFor(Notifier& notifier, Duration limit) {
  const auto seen = notifier.version();
  co_return co_await notifier.WaitPast(seen, std::chrono::steady_clock::now() + limit);
}

Awaitable<> NotifyLater(Notifier& notifier) {
  co_await SleepFor(milliseconds(2));
  notifier.NotifyFromAnyThread();
}

Awaitable<bool> NotifyFromOther(Notifier& notifier, asio::any_io_executor other) {
  asio::co_spawn(other, NotifyLater(notifier), [](std::exception_ptr) {});
  co_return co_await WaitFor(notifier, seconds(10));
}

TEST(NotifierTest, WaitEndsByNotificationFromAnotherThreadOrByDeadline) {
  Runtime runtime("test", 2);
  Notifier notifier(runtime.executor());
  EXPECT_FALSE(RunHere(runtime, WaitFor(notifier, milliseconds(2))));
  EXPECT_TRUE(RunHere(runtime, NotifyFromOther(notifier, runtime.executor(1))));
}

Awaitable<int> CountCalls(int& calls) {
  ++calls;
  co_await SleepFor(milliseconds(5));
  co_return calls;
}

Awaitable<> Join(SingleFlight<std::string, int>& flights, int& calls, int& sum) {
  auto start = [&calls] { return CountCalls(calls); };
  sum += co_await flights.Do("key", start);
}

Awaitable<> ThreeJoin(TaskGroup& callers, SingleFlight<std::string, int>& flights, int& calls,
                      int& sum) {
  for (int i = 0; i < 3; ++i) callers.Spawn(Join(flights, calls, sum));
  co_await callers.Drain();
}

TEST(SingleFlightTest, ThreeCallersShareOneCall) {
  Runtime runtime("test", 1);
  TaskGroup group(runtime.executor());
  TaskGroup callers(runtime.executor());
  SingleFlight<std::string, int> flights(group);
  int calls = 0;
  int sum = 0;
  RunHere(runtime, ThreeJoin(callers, flights, calls, sum));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(sum, 3);
  EXPECT_EQ(flights.size(), 0U);
  RunHere(runtime, group.Stop());
}

Awaitable<int> Never() {
  co_await SleepFor(seconds(3600));
  co_return 0;
}

Awaitable<bool> IsAborted(SingleFlight<std::string, int>& flights) {
  try {
    (void)co_await flights.Do("key", Never);
  } catch (const boost::system::system_error& error) {
    co_return error.code() == asio::error::operation_aborted;
  }
  co_return false;
}

TEST(SingleFlightTest, CallersOfAStoppedFlightAreCancelledWithIt) {
  Runtime runtime("test", 1);
  TaskGroup group(runtime.executor());
  SingleFlight<std::string, int> flights(group);
  auto waiting = asio::co_spawn(runtime.executor(), IsAborted(flights), asio::use_future);
  while (group.running() == 0) std::this_thread::yield();
  RunHere(runtime, group.Stop());
  ASSERT_EQ(waiting.wait_for(seconds(20)), std::future_status::ready);
  EXPECT_TRUE(waiting.get());
  EXPECT_TRUE(RunHere(runtime, IsAborted(flights))) << "and so is who comes afterwards";
  EXPECT_EQ(flights.size(), 0U);
}

TEST(BlockingPoolTest, RunsOnAnotherThreadAndReturnsTheResult) {
  Runtime runtime("test", 1);
  BlockingPool pool(1);
  const auto thread = RunHere(runtime, pool.Run([] { return std::this_thread::get_id(); }));
  EXPECT_NE(thread, std::this_thread::get_id());
}

Awaitable<std::thread::id> ThreadId() { co_return std::this_thread::get_id(); }

TEST(RunOnTest, RunsOnTheOtherExecutor) {
  Runtime runtime("test", 2);
  EXPECT_NE(RunHere(runtime, RunOn(runtime.executor(1), ThreadId())),
            RunHere(runtime, ThreadId()));
}

Awaitable<> EndSoon() { co_await SleepFor(std::chrono::microseconds(1)); }

Awaitable<> RunElsewhere(asio::any_io_executor other, std::atomic<int>& ended) {
  co_await RunOn(other, EndSoon());
  ++ended;
}

Awaitable<> CancelWhileTheyEnd(TaskGroup& group, asio::any_io_executor other,
                               std::atomic<int>& ended) {
  for (int i = 0; i < 2000; ++i) {
    for (int j = 0; j < 4; ++j) group.Spawn(RunElsewhere(other, ended));
    co_await SleepFor(std::chrono::microseconds(i % 50));
    group.Cancel();
  }
  co_await group.Stop();
}

TEST(RunOnTest, MayBeCancelledAtTheMomentTheWorkEnds) {
  Runtime runtime("test", 2);
  TaskGroup group(runtime.executor(0));
  std::atomic<int> ended = 0;
  RunHere(runtime, CancelWhileTheyEnd(group, runtime.executor(1), ended));
  EXPECT_EQ(group.running(), 0U);
}

Awaitable<absl::Status> SleepElsewhere(asio::any_io_executor other) {
  co_return co_await RunOn(other, SleepThenOk(seconds(3600)));
}

TEST(RunOnTest, CancellingTheCallerCancelsTheWork) {
  Runtime runtime("test", 2);
  const absl::Status status = RunHere(
      runtime, WithTimeout(SleepElsewhere(runtime.executor(1)), milliseconds(5), "work elsewhere"));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace dragonfly
