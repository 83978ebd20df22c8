#include "common/async/task_group.h"

#include <exception>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include "absl/base/thread_annotations.h"
#include "common/base/check.h"
#include "common/base/mutex.h"

namespace dragonfly {

struct TaskGroup::State {
  using Signal = std::shared_ptr<asio::cancellation_signal>;

  explicit State(asio::any_io_executor serial) : executor(std::move(serial)) {}

  const asio::any_io_executor executor;
  Mutex mutex;
  std::list<Signal> running ABSL_GUARDED_BY(mutex);
  std::vector<std::shared_ptr<asio::steady_timer>> waiters ABSL_GUARDED_BY(mutex);
  bool closed ABSL_GUARDED_BY(mutex) = false;

  void Finished(std::list<Signal>::iterator position) {
    std::vector<std::shared_ptr<asio::steady_timer>> wake;
    {
      const MutexLock lock(mutex);
      running.erase(position);
      if (running.empty()) wake.swap(waiters);
    }
    // A timer belongs to its waiter's executor, so it is touched only there.
    for (auto& timer : wake) asio::post(timer->get_executor(), [timer] { timer->cancel(); });
  }
};

namespace {

void RethrowUnlessCancelled(const std::exception_ptr& error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    if (e.code() != asio::error::operation_aborted) throw;
  }
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

TaskGroup::~TaskGroup() { DF_DCHECK(running() == 0); }

void TaskGroup::Spawn(Awaitable<> work) {
  auto signal = std::make_shared<asio::cancellation_signal>();
  std::list<State::Signal>::iterator position;
  {
    const MutexLock lock(state_->mutex);
    if (state_->closed) return;
    position = state_->running.insert(state_->running.end(), signal);
  }
  // co_spawn dispatches: posting first keeps the promise that nothing runs inside this call.
  asio::post(state_->executor, [state = state_, position, signal, work = std::move(work)]() mutable {
    asio::co_spawn(state->executor, std::move(work),
                   asio::bind_cancellation_slot(
                       signal->slot(), [state, position, signal](std::exception_ptr error) {
                         state->Finished(position);
                         RethrowUnlessCancelled(error);
                       }));
  });
}

void TaskGroup::Cancel() {
  std::vector<State::Signal> signals;
  {
    const MutexLock lock(state_->mutex);
    signals.assign(state_->running.begin(), state_->running.end());
  }
  asio::post(state_->executor, [signals = std::move(signals)] {
    for (const auto& signal : signals) signal->emit(asio::cancellation_type::terminal);
  });
}

Awaitable<> TaskGroup::Stop() {
  {
    const MutexLock lock(state_->mutex);
    state_->closed = true;
  }
  Cancel();
  // Without a slot: a caller that is cancelled now waits nevertheless, because what runs may use
  // what the caller destroys next.
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::co_spawn(
      executor, WaitIdle(),
      asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
}

Awaitable<> TaskGroup::Drain() {
  {
    const MutexLock lock(state_->mutex);
    state_->closed = true;
  }
  co_await WaitIdle();
}

Awaitable<> TaskGroup::WaitIdle() {
  auto timer = std::make_shared<asio::steady_timer>(co_await asio::this_coro::executor,
                                                    asio::steady_timer::time_point::max());
  const auto state = state_;
  {
    const MutexLock lock(state->mutex);
    if (state->running.empty()) co_return;
    state->waiters.push_back(timer);
  }
  co_await timer->async_wait(kAwait);
}

std::size_t TaskGroup::running() const {
  const MutexLock lock(state_->mutex);
  return state_->running.size();
}

asio::any_io_executor TaskGroup::executor() const { return state_->executor; }

}  // namespace dragonfly
