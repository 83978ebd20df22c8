#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "common/async/awaitable.h"

namespace dragonfly {

/// Threads for calls that block: files, digests, database. Thread-safe. Must go away before the
/// runtimes whose coroutines call it: a pool thread holds the caller's executor for a moment after it
/// has answered.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads) : pool_(threads) {}
  ~BlockingPool() { pool_.join(); }

  /// Runs `function()` on a pool thread, and nobody is told of its end. The pool's destructor
  /// waits.
  template <class Function>
  void Post(Function function) {
    asio::post(pool_, std::move(function));
  }

  /// Runs `function()` on a pool thread and returns its result on the caller's executor. What has
  /// started runs to its end: cancelling the caller does not interrupt a system call, and the caller
  /// is resumed only after the function returned, so references into its frame stay valid.
  template <class Function>
  Awaitable<std::invoke_result_t<Function>> Run(Function function) {
    // Without a slot: a cancellation forwarded to a pool of several threads could reach the call while
    // it starts on another one.
    co_return co_await asio::co_spawn(
        pool_, Call(std::move(function)),
        asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
  }

 private:
  template <class Function>
  static Awaitable<std::invoke_result_t<Function>> Call(Function function) {
    co_return function();
  }

  asio::thread_pool pool_;
};

}  // namespace dragonfly
