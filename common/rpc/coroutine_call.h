#pragma once

#include <exception>
#include <optional>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/functional/any_invocable.h"
#include "common/rpc/calls.h"

namespace dragonfly::rpc {

/// A call whose handler is a coroutine. The base of what serve.h makes; services do not see it.
class CoroutineCall : public ServerCall {
 public:
  CoroutineCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context)
      : ServerCall(calls, method, context), executor_(calls.NextExecutor()) {}

  /// Cancels the handler; the call ends when the handler has returned.
  void Cancel(absl::Status reason) override;

 protected:
  using Start = absl::AnyInvocable<Awaitable<absl::Status>()>;

  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }

  /// Calls `start` on the executor, runs what it returns and then HandlerReturned(), once, always.
  /// A handler that runs at `deadline` is cancelled and the status is DeadlineExceeded. Any thread.
  void Run(Start start, std::optional<SteadyTime> deadline = std::nullopt);
  /// On the executor.
  virtual void HandlerReturned(const absl::Status& status) = 0;

 private:
  void RunHere(Start start, std::optional<SteadyTime> deadline);
  void CancelHere(absl::Status reason);
  void Ended(const std::exception_ptr& error, absl::Status status);
  absl::Status FromException(const std::exception_ptr& error);

  const asio::any_io_executor executor_;

  // Only on the executor.
  asio::cancellation_signal signal_;
  std::optional<absl::Status> reason_;
  std::optional<asio::steady_timer> timer_;
  bool ended_ = false;
};

}  // namespace dragonfly::rpc
