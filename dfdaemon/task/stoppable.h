#pragma once

#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "common/async/awaitable.h"

namespace dragonfly::dfdaemon {

/// Stops what UntilStopped() runs with this timer, now and from now on. On the timer's executor.
inline void StopNow(asio::steady_timer& stop) {
  stop.expires_at(asio::steady_timer::time_point());  // Long past.
}

/// Runs `work` (an Awaitable of absl::Status or absl::StatusOr<T>) until it ends or `stop` expires,
/// whichever is first; see StopNow(). A stopped work is awaited; the result is then Cancelled
/// "stopped". `stop` outlives the call.
template <class Result>
Awaitable<Result> UntilStopped(Awaitable<Result> work, asio::steady_timer& stop) {
  const auto executor = co_await asio::this_coro::executor;
  auto [order, error, result, timer_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor, std::move(work), asio::deferred), stop.async_wait(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  // A result that came at the same moment counts.
  if (!error) co_return std::move(result);
  if (order[0] == 0) std::rethrow_exception(error);
  co_return absl::CancelledError("stopped");
}

}  // namespace dragonfly::dfdaemon
