#include "common/rpc/coroutine_call.h"

#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

namespace dragonfly::rpc {

void CoroutineCall::Run(Start start, std::optional<SteadyTime> deadline) {
  asio::post(executor_,
             [self = std::static_pointer_cast<CoroutineCall>(shared_from_this()),
              start = std::move(start), deadline]() mutable {
               self->RunHere(std::move(start), deadline);
             });
}

void CoroutineCall::Cancel(absl::Status reason) {
  asio::post(executor_, [self = std::static_pointer_cast<CoroutineCall>(shared_from_this()),
                         reason = std::move(reason)]() mutable {
    self->CancelHere(std::move(reason));
  });
}

void CoroutineCall::RunHere(Start start, std::optional<SteadyTime> deadline) {
  auto self = std::static_pointer_cast<CoroutineCall>(shared_from_this());
  if (reason_.has_value()) {
    Ended(nullptr, *reason_);
    return;
  }
  if (deadline.has_value()) {
    timer_.emplace(executor_, *deadline);
    timer_->async_wait([self](const boost::system::error_code& error) {
      if (!error) self->CancelHere(absl::DeadlineExceededError("deadline exceeded"));
    });
  }
  asio::co_spawn(executor_, start(),
                 asio::bind_cancellation_slot(
                     signal_.slot(), [self](const std::exception_ptr& error, absl::Status status) {
                       self->Ended(error, std::move(status));
                     }));
}

void CoroutineCall::CancelHere(absl::Status reason) {
  if (ended_ || reason_.has_value()) return;
  reason_ = std::move(reason);
  signal_.emit(asio::cancellation_type::terminal);
}

void CoroutineCall::Ended(const std::exception_ptr& error, absl::Status status) {
  ended_ = true;
  timer_.reset();
  if (error) status = FromException(error);
  SetCode(status.code());
  HandlerReturned(status);
}

absl::Status CoroutineCall::FromException(const std::exception_ptr& error) {
  std::string what = "unknown exception";
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    if (e.code() == asio::error::operation_aborted) {
      return reason_.value_or(absl::CancelledError("cancelled"));
    }
    what = e.what();
  } catch (const std::exception& e) {
    what = e.what();
  } catch (...) {
    what = "not a std::exception";
  }
  if (calls().options().on_exception) calls().options().on_exception(method(), what);
  return absl::InternalError("internal error");
}

}  // namespace dragonfly::rpc
