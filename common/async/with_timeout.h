#pragma once

#include <array>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/base/strings.h"

namespace dragonfly {

/// Runs `work` (an Awaitable of absl::Status or absl::StatusOr<T>) for at most `timeout`. Too late:
/// `work` is cancelled, awaited, and the result is DeadlineExceeded "<what>: timed out after …".
template <class Result>
Awaitable<Result> WithTimeout(Awaitable<Result> work, Duration timeout, std::string_view what) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, timeout);
  auto [order, error, result, timer_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, std::move(work), asio::deferred),
          timer.async_wait(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (order[0] == 0) {
    if (error) std::rethrow_exception(error);
    co_return std::move(result);
  }
  co_return absl::DeadlineExceededError(StrCat(
      what, ": timed out after ",
      std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count(), " ms"));
}

}  // namespace dragonfly
