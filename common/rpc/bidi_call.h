#pragma once

// A bidirectional stream without coroutines, for servers that take very many small messages:
// callbacks on gRPC's threads in, a thread-safe queue out. Use ServeBidi of serve.h otherwise.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <grpcpp/support/server_callback.h>

#include "common/rpc/calls.h"
#include "common/rpc/serve.h"
#include "common/rpc/status.h"

namespace dragonfly::rpc {

/// Whether the next read starts at once or with BidiCall::Resume().
enum class AfterMessage : std::uint8_t { kReadNext, kPause };

/// Who a BidiCall talks to. All functions run on gRPC's threads and must not block.
template <class Request>
class BidiObserver {
 public:
  virtual ~BidiObserver() = default;
  /// One at a time, in order. The message is the call's and is used again for the next one, so that
  /// a storm of messages allocates nothing; move out of it what you keep.
  virtual AfterMessage OnMessage(Request& message) = 0;
  /// The client will send no more. After the last OnMessage(); not called when the call ends first.
  /// A client that breaks off can look like this, too; OnClosed() tells them apart.
  virtual void OnHalfClose() = 0;
  /// The call is over. Once, always, after everything else; the call lets go of its observer then.
  /// `status` is what Finish() was given, Cancelled when the client went away first, or the reason
  /// of Cancel().
  virtual void OnClosed(const absl::Status& status) = 0;
};

/// Thread-safe. Lives until OnClosed() has returned and nobody holds it.
template <class Request, class Response>
class BidiCall final : public grpc::ServerBidiReactor<Request, Response>, public ServerCall {
 public:
  using Observer = BidiObserver<Request>;

  /// `queue_limit`: responses that may wait for the client.
  BidiCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context,
           std::size_t queue_limit)
      : ServerCall(calls, method, context), queue_limit_(queue_limit) {}

  /// Queues a response. False: the call is over or being finished, or the queue is full; a client
  /// that reads so slowly should be given up with Finish(ResourceExhausted).
  bool Send(Response message) {
    const absl::MutexLock lock(&mutex_);
    if (status_.has_value() || queue_.size() >= queue_limit_) return false;
    queue_.push_back(std::move(message));
    if (queue_.size() == 1) this->StartWrite(&queue_.front());
    return true;
  }

  /// Ends the call with `status` after what is queued was written. The first Finish() counts.
  void Finish(absl::Status status) {
    const absl::MutexLock lock(&mutex_);
    if (status_.has_value()) return;
    status_ = std::move(status);
    FinishIfPossible();
  }

  /// Like Finish(), but drops what is queued.
  void Cancel(absl::Status reason) override {
    const absl::MutexLock lock(&mutex_);
    if (!status_.has_value()) status_ = std::move(reason);
    // The front is being written and has to stay until gRPC is done with it.
    if (queue_.size() > 1) queue_.resize(1);
    FinishIfPossible();
  }

  /// Starts the next read after AfterMessage::kPause. Exactly once per pause; also when the call is
  /// over meanwhile.
  void Resume() {
    const absl::MutexLock lock(&mutex_);
    // Nothing may be started once gRPC was told to finish.
    if (!finished_) this->StartRead(&incoming_);
  }

  /// Sends the response headers now instead of with the first message. At most once, before it.
  void SendInitialMetadata() { this->StartSendInitialMetadata(); }

  /// For ServeBidiCallback().
  static grpc::ServerBidiReactor<Request, Response>* Serve(std::shared_ptr<BidiCall> call,
                                                           std::shared_ptr<Observer> observer) {
    BidiCall* kept = call.get();
    kept->observer_ = std::move(observer);
    kept->Register();
    kept->self_ = std::move(call);
    kept->StartRead(&kept->incoming_);
    return kept;
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      bool over = false;
      {
        const absl::MutexLock lock(&mutex_);
        over = status_.has_value();
      }
      if (!over) observer_->OnHalfClose();
      return;
    }
    if (observer_->OnMessage(incoming_) == AfterMessage::kReadNext) this->StartRead(&incoming_);
  }
  void OnWriteDone(bool ok) override {
    const absl::MutexLock lock(&mutex_);
    queue_.pop_front();
    // A failed write means that the client is gone; OnCancel() follows and ends the call.
    if (!ok) queue_.clear();
    if (!queue_.empty()) this->StartWrite(&queue_.front());
    FinishIfPossible();
  }
  void OnCancel() override { Cancel(internal::ClientGone()); }
  void OnDone() override {
    auto last = std::move(self_);
    absl::Status status;
    {
      const absl::MutexLock lock(&mutex_);
      status = status_.value_or(internal::ClientGone());
    }
    // The end of a broken stream looks like a half-close until gRPC knows better, which is now.
    if (context()->IsCancelled()) status = internal::ClientGone();
    SetCode(status.code());
    observer_->OnClosed(status);
    observer_.reset();
  }

 private:
  using Reactor = grpc::ServerBidiReactor<Request, Response>;

  void FinishIfPossible() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!status_.has_value() || finished_ || !queue_.empty()) return;
    finished_ = true;
    Reactor::Finish(ToGrpc(*status_));
  }

  const std::size_t queue_limit_;
  std::shared_ptr<Observer> observer_;
  std::shared_ptr<BidiCall> self_;
  Request incoming_;

  absl::Mutex mutex_;
  std::deque<Response> queue_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

/// `make_observer(std::shared_ptr<BidiCall<Request, Response>>)` gives the observer of the new call;
/// it may already Send(). The first read starts after it returned.
template <class Request, class Response, class MakeObserver>
grpc::ServerBidiReactor<Request, Response>* ServeBidiCallback(Calls& calls, std::string_view method,
                                                              grpc::CallbackServerContext* context,
                                                              std::size_t queue_limit,
                                                              MakeObserver make_observer) {
  using Call = BidiCall<Request, Response>;
  if (const absl::Status status = calls.Admit(method); !status.ok()) {
    return new internal::Refusal<grpc::ServerBidiReactor<Request, Response>>(status);
  }
  auto call = std::make_shared<Call>(calls, method, context, queue_limit);
  auto observer = make_observer(call);
  return Call::Serve(std::move(call), std::move(observer));
}

}  // namespace dragonfly::rpc
