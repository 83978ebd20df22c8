#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace dragonfly {

namespace asio = boost::asio;

/// Every executor that our classes are given is SERIAL: an io_context run by one thread (Runtime
/// makes only such) or a strand. Two coroutines on one executor never run at the same time, so
/// state that belongs to an executor needs no lock.
///
/// Cancellation: a cancelled coroutine sees boost::system::system_error(operation_aborted) thrown
/// out of its current or next co_await. Let it pass: destructors clean up, TaskGroup swallows it.
/// A coroutine that must still do I/O on its way out spawns that into a TaskGroup.
template <class T = void>
using Awaitable = asio::awaitable<T>;

/// Completion token: results come back as a tuple with the error_code first.
inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace dragonfly
