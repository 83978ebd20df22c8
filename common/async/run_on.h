#pragma once

#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "common/async/awaitable.h"

namespace dragonfly {

/// Runs `work` on another serial executor and comes back to the caller's. Cancelling the caller
/// cancels the work.
template <class T>
Awaitable<T> RunOn(asio::any_io_executor executor, Awaitable<T> work) {
  co_return co_await asio::co_spawn(std::move(executor), std::move(work), asio::use_awaitable);
}

}  // namespace dragonfly
