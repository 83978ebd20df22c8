#pragma once

#include <cstddef>
#include <memory>

#include "common/async/awaitable.h"

namespace dragonfly {

/// Owns coroutines that run in the background. Make it the last member of their owner and await
/// Stop() before the owner goes away. It is the only place where a coroutine is let go.
///
/// Thread-safe; the coroutines run on the group's (serial) executor. operation_aborted thrown out of
/// a coroutine is its normal end after Cancel(); any other exception ends the process, because ours
/// return Status and it can only be a programmer's error.
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor);
  /// Checks in debug builds that nothing runs any more.
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts `work` soon, never inside this call. After Stop() or Drain() it is dropped unstarted.
  void Spawn(Awaitable<> work);

  /// Asks everything that runs now to cancel, without waiting.
  void Cancel();

  /// Refuses new work, cancels what runs, returns when nothing runs. Callable from any executor, more
  /// than once; not from inside the group itself (it would wait for itself).
  Awaitable<> Stop();

  /// Refuses new work and returns when what runs has ended by itself.
  Awaitable<> Drain();

  [[nodiscard]] std::size_t running() const;
  [[nodiscard]] asio::any_io_executor executor() const;

 private:
  struct State;
  Awaitable<> WaitIdle();

  std::shared_ptr<State> state_;
};

}  // namespace dragonfly
