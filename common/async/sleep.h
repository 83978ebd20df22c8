#pragma once

#include <chrono>

#include <boost/asio/steady_timer.hpp>

#include "common/async/awaitable.h"
#include "common/base/clock.h"

namespace dragonfly {

/// Returns after `duration`. Cancellation throws operation_aborted, like every wait.
inline Awaitable<> SleepFor(Duration duration) {
  asio::steady_timer timer(co_await asio::this_coro::executor, duration);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace dragonfly
