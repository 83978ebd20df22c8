#pragma once

#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include "absl/functional/any_invocable.h"
#include "common/async/awaitable.h"

namespace dragonfly::rpc {

/// One coroutine waits until Wake(). Everything runs on one serial executor. The owner of the Waiter
/// is kept alive by the coroutine that waits.
class Waiter {
 public:
  explicit Waiter(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  /// Returns after Wake(); cancellation throws operation_aborted. At most one at a time; state is
  /// tested again afterwards, because a wake-up may have been meant for an earlier wait.
  Awaitable<> Wait() {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
        Start{this}, asio::use_awaitable);
  }

  /// Resumes the waiting coroutine inside this call, so call it last; `this` may be gone afterwards.
  void Wake() {
    if (!handler_) return;
    if (slot_.is_connected()) slot_.clear();
    auto handler = std::exchange(handler_, nullptr);
    handler(boost::system::error_code());
  }

 private:
  struct Start {
    Waiter* waiter;
    template <class Handler>
    void operator()(Handler handler) {
      waiter->slot_ = asio::get_associated_cancellation_slot(handler);
      waiter->handler_ = std::move(handler);
      if (waiter->slot_.is_connected()) {
        waiter->slot_.assign([target = waiter](asio::cancellation_type) { target->Cancelled(); });
      }
    }
  };

  void Cancelled() {
    if (!handler_) return;
    // Posted: the slot cannot be cleared while its own function runs, and whoever emits the signal
    // does not expect the coroutine to run inside that call.
    asio::post(executor_, [handler = std::exchange(handler_, nullptr), slot = slot_]() mutable {
      if (slot.is_connected()) slot.clear();
      handler(asio::error::operation_aborted);
    });
  }

  asio::any_io_executor executor_;
  absl::AnyInvocable<void(boost::system::error_code)> handler_;
  asio::cancellation_slot slot_;
};

}  // namespace dragonfly::rpc
