#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <grpcpp/client_context.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/rpc/status.h"
#include "common/rpc/waiter.h"

namespace dragonfly::rpc {

struct StreamOptions {
  /// For the whole call. Normally none: a stream lives long, wrap single reads in WithTimeout().
  std::optional<Duration> deadline;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// What gRPC holds of an outgoing call: it outlives the caller's interest in it. The base of what
/// client.h makes. State belongs to the executor; reactions come in through Post().
class ClientCall : public std::enable_shared_from_this<ClientCall> {
 public:
  ClientCall(asio::any_io_executor executor, const StreamOptions& options);
  virtual ~ClientCall() = default;
  ClientCall(const ClientCall&) = delete;
  ClientCall& operator=(const ClientCall&) = delete;

  [[nodiscard]] grpc::ClientContext* context() { return &context_; }

  /// The caller has gone: cancels the call and never touches the executor again. Any thread, but not
  /// at the same time as something that runs on the executor for this call.
  void Abandon();
  /// Thread-safe.
  void CancelCall() { context_.TryCancel(); }

  /// For the reaction OnDone.
  void Done(const grpc::Status& status);
  Awaitable<absl::Status> WaitDone();

 protected:
  /// Operations that start outside of a reaction need a hold, or gRPC may end the call meanwhile.
  virtual void RemoveReactorHold() {}
  void SetHeld() { held_ = true; }
  [[nodiscard]] bool held() const { return held_; }
  void DropHold() {
    if (std::exchange(held_, false)) RemoveReactorHold();
  }

  /// Runs `function()` on the executor, unless the call was abandoned.
  template <class Function>
  void Post(Function function) {
    const absl::MutexLock lock(&mutex_);
    if (abandoned_) return;
    asio::post(executor_, [self = shared_from_this(), function = std::move(function)]() mutable {
      function();
    });
  }

 private:
  const asio::any_io_executor executor_;
  grpc::ClientContext context_;
  absl::Mutex mutex_;
  bool abandoned_ ABSL_GUARDED_BY(mutex_) = false;

  // Only on the executor.
  Waiter done_waiter_;
  std::optional<absl::Status> status_;
  bool held_ = false;
};

}  // namespace dragonfly::rpc
