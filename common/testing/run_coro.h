#pragma once

#include <chrono>
#include <exception>
#include <future>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/awaitable.h"
#include "common/async/runtime.h"
#include "common/base/clock.h"

namespace dragonfly {

/// An executor that runs only inside Run(): a test of coroutines in one thread. Declare it before
/// what lives on it.
class TestLoop {
 public:
  [[nodiscard]] asio::any_io_executor executor() { return context_.get_executor(); }

  /// Runs `work` to its end and returns its result; rethrows what it throws. After `timeout` it is
  /// cancelled and std::runtime_error thrown, which fails the test.
  template <class T>
  T Run(Awaitable<T> work, Duration timeout = std::chrono::seconds(20)) {
    struct Outcome {
      std::exception_ptr error;
      std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> result;
      bool done = false;
    } outcome;
    asio::cancellation_signal cancel;
    const auto start = [&](auto done) {
      asio::co_spawn(context_, std::move(work), asio::bind_cancellation_slot(cancel.slot(), done));
    };
    if constexpr (std::is_void_v<T>) {
      start([&outcome](std::exception_ptr error) {
        outcome.error = error;
        outcome.done = true;
      });
    } else {
      start([&outcome](std::exception_ptr error, T result) {
        outcome.error = error;
        outcome.result.emplace(std::move(result));
        outcome.done = true;
      });
    }
    const auto until = [&](SteadyTime deadline) {
      context_.restart();
      while (!outcome.done && context_.run_one_until(deadline) != 0) {
      }
    };
    until(std::chrono::steady_clock::now() + timeout);
    if (!outcome.done) {
      cancel.emit(asio::cancellation_type::all);
      until(std::chrono::steady_clock::now() + std::chrono::seconds(5));
      throw std::runtime_error("the coroutine did not end in time");
    }
    if (outcome.error) std::rethrow_exception(outcome.error);
    if constexpr (!std::is_void_v<T>) return std::move(*outcome.result);
  }

  /// Runs handlers that are ready, without waiting; true when there were any.
  bool Poll() {
    context_.restart();
    return context_.poll() != 0;
  }

 private:
  asio::io_context context_{1};
};

/// Runs `work` on a loop of its own. For coroutines that need no executor beforehand.
template <class T>
T RunCoro(Awaitable<T> work, Duration timeout = std::chrono::seconds(20)) {
  TestLoop loop;
  return loop.Run(std::move(work), timeout);
}

/// Runs `work` on that executor, which other threads serve, and waits for its result. Ends the
/// process after `timeout`: what hangs there may hold references to the test's locals.
template <class T>
T RunCoro(asio::any_io_executor executor, Awaitable<T> work,
          Duration timeout = std::chrono::seconds(30)) {
  auto future = asio::co_spawn(std::move(executor), std::move(work), asio::use_future);
  if (future.wait_for(timeout) != std::future_status::ready) {
    std::fputs("the coroutine did not end in time\n", stderr);
    std::abort();
  }
  return future.get();
}

template <class T>
T RunCoro(Runtime& runtime, Awaitable<T> work, Duration timeout = std::chrono::seconds(30)) {
  return RunCoro(runtime.executor(), std::move(work), timeout);
}

}  // namespace dragonfly
