#pragma once

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/awaitable.h"

namespace dragonfly::dfdaemon {

/// Runs `work` on `executor` and blocks until it is done. Never on a thread of that executor.
template <class T>
T Await(asio::any_io_executor executor, Awaitable<T> work) {
  return asio::co_spawn(std::move(executor), std::move(work), asio::use_future).get();
}

}  // namespace dragonfly::dfdaemon
