#include "common/rpc/client_call.h"

#include <algorithm>

namespace dragonfly::rpc {

ClientCall::ClientCall(asio::any_io_executor executor, const StreamOptions& options)
    : executor_(std::move(executor)), done_waiter_(executor_) {
  if (options.deadline.has_value()) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::system_clock::duration>(
                              std::max<Duration>(*options.deadline, std::chrono::milliseconds(1))));
  }
  for (const auto& [key, value] : options.metadata) context_.AddMetadata(key, value);
}

void ClientCall::Abandon() {
  {
    const absl::MutexLock lock(&mutex_);
    abandoned_ = true;
  }
  context_.TryCancel();
  DropHold();
}

void ClientCall::Done(const grpc::Status& status) {
  Post([this, result = FromGrpc(status)]() mutable {
    status_ = std::move(result);
    done_waiter_.Wake();
  });
}

Awaitable<absl::Status> ClientCall::WaitDone() {
  while (!status_.has_value()) co_await done_waiter_.Wait();
  co_return *status_;
}

}  // namespace dragonfly::rpc
