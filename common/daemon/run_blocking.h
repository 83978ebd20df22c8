#pragma once

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/awaitable.h"

namespace dragonfly {

/// Runs `work` on `executor` and waits for its end. For main(): a thread of the executor would wait
/// for itself.
template <class T>
T RunBlocking(asio::any_io_executor executor, Awaitable<T> work) {
  return asio::co_spawn(std::move(executor), std::move(work), asio::use_future).get();
}

}  // namespace dragonfly
