#pragma once

#include <memory>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "common/async/awaitable.h"

namespace dragonfly {

/// Runs `work` on another serial executor and comes back to the caller's. Cancelling the caller
/// cancels the work. The other thread holds the caller's executor for a moment after it has answered,
/// so runtimes that call each other are all stopped and joined before any of them is destroyed.
///
/// The cancellation goes its own way: co_spawn's posts a bare pointer to the other executor, where it
/// may arrive after the work has ended and the caller has gone on.
template <class T>
Awaitable<T> RunOn(asio::any_io_executor executor, Awaitable<T> work) {
  const auto signal = std::make_shared<asio::cancellation_signal>();
  struct Forwarding {
    asio::cancellation_slot slot;
    ~Forwarding() {
      if (slot.is_connected()) slot.clear();
    }
  } forwarding{(co_await asio::this_coro::cancellation_state).slot()};
  if (forwarding.slot.is_connected()) {
    forwarding.slot.assign([signal, executor](asio::cancellation_type type) {
      asio::post(executor, [signal, type] { signal->emit(type); });
    });
  }
  co_return co_await asio::co_spawn(
      executor, std::move(work), asio::bind_cancellation_slot(signal->slot(), asio::use_awaitable));
}

}  // namespace dragonfly
