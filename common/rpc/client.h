#pragma once

// Outgoing calls as coroutines:
//
//   using Stub = pb::manager::Manager::Stub;
//   auto stub = pb::manager::Manager::NewStub(channel);
//   auto scheduler = co_await rpc::Unary(*stub->async(), &Stub::async::GetScheduler, request, 15s);
//
//   auto stream = rpc::OpenReadStream(executor, *stub->async(), &Stub::async::SyncPieces, request);
//   while (true) {
//     auto piece = co_await WithTimeout(stream.Read(), 30s, "sync pieces");
//     ...
//
// Stream objects belong to one serial executor: all functions, Cancel() excepted, run there. They
// can be moved. Destroying one cancels its call, at any time.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <grpcpp/support/client_callback.h>

#include "absl/status/statusor.h"
#include "common/rpc/client_call.h"
#include "common/rpc/stream_side.h"

namespace dragonfly::rpc {

namespace internal {

template <class Request, class Response>
class UnaryClientCall final : public ClientCall {
 public:
  UnaryClientCall(asio::any_io_executor executor, Request message, Duration timeout)
      : ClientCall(std::move(executor),
                   StreamOptions{std::max<Duration>(timeout, std::chrono::milliseconds(1)), {}}),
        request(std::move(message)) {}
  Request request;
  Response response;
};

/// Cancels the call when its coroutine goes away.
template <class Core>
class Holder {
 public:
  explicit Holder(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  ~Holder() { Reset(); }
  Holder(Holder&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Holder& operator=(Holder&& other) noexcept {
    if (this != &other) {
      Reset();
      core_ = std::exchange(other.core_, nullptr);
    }
    return *this;
  }
  Core* operator->() const { return core_.get(); }
  [[nodiscard]] const std::shared_ptr<Core>& get() const { return core_; }

 private:
  void Reset() {
    if (core_ != nullptr) core_->Abandon();
  }
  std::shared_ptr<Core> core_;
};

/// A call with a reactor: the reactor is this object, so it lives until OnDone.
template <class Reactor>
class ReactorCall : public Reactor, public ClientCall {
 public:
  using ClientCall::ClientCall;
  void OnDone(const grpc::Status& status) override {
    auto last = std::move(self_);
    Done(status);
  }

 protected:
  template <class Core>
  static void Begin(const std::shared_ptr<Core>& core) {
    core->self_ = core;
    core->SetHeld();
    core->AddHold();
    core->StartCall();
  }
  void RemoveReactorHold() override { this->RemoveHold(); }

 private:
  std::shared_ptr<ClientCall> self_;
};

template <class Request, class Response>
class ReadCore final : public ReactorCall<grpc::ClientReadReactor<Response>>,
                       public ReadSide<Response> {
  using Base = ReactorCall<grpc::ClientReadReactor<Response>>;

 public:
  ReadCore(const asio::any_io_executor& executor, const StreamOptions& options, Request message)
      : Base(executor, options), ReadSide<Response>(executor), request(std::move(message)) {}
  static void Start(const std::shared_ptr<ReadCore>& core) { Base::Begin(core); }
  static Awaitable<absl::StatusOr<std::optional<Response>>> Next(std::shared_ptr<ReadCore> core) {
    std::optional<Response> message = co_await core->Read();
    if (!message.has_value()) {
      core->DropHold();
      if (absl::Status status = co_await core->WaitDone(); !status.ok()) co_return status;
    }
    co_return std::move(message);
  }
  void OnReadDone(bool ok) override {
    this->Post([this, ok] { this->ReadDone(ok); });
  }
  Request request;

 private:
  void StartReading(Response& into) override { this->StartRead(&into); }
};

template <class Request, class Response>
class WriteCore final : public ReactorCall<grpc::ClientWriteReactor<Request>>,
                        public WriteSide<Request> {
  using Base = ReactorCall<grpc::ClientWriteReactor<Request>>;

 public:
  WriteCore(const asio::any_io_executor& executor, const StreamOptions& options)
      : Base(executor, options), WriteSide<Request>(executor) {}
  static void Start(const std::shared_ptr<WriteCore>& core) { Base::Begin(core); }
  static Awaitable<bool> Send(std::shared_ptr<WriteCore> core, Request message) {
    co_return co_await core->Write(std::move(message));
  }
  static Awaitable<absl::StatusOr<Response>> End(std::shared_ptr<WriteCore> core) {
    co_await core->WaitWritten();
    if (!std::exchange(core->ending_, true)) {
      core->CloseWriting();
      core->StartWritesDone();
      core->DropHold();
    }
    if (absl::Status status = co_await core->WaitDone(); !status.ok()) co_return status;
    co_return std::move(core->response);
  }
  void OnWriteDone(bool ok) override {
    this->Post([this, ok] { this->WriteDone(ok); });
  }
  Response response;

 private:
  void StartWriting(const Request& message) override { this->StartWrite(&message); }
  bool ending_ = false;
};

template <class Request, class Response>
class BidiCore final : public ReactorCall<grpc::ClientBidiReactor<Request, Response>>,
                       public ReadSide<Response>,
                       public WriteSide<Request> {
  using Base = ReactorCall<grpc::ClientBidiReactor<Request, Response>>;

 public:
  BidiCore(const asio::any_io_executor& executor, const StreamOptions& options)
      : Base(executor, options), ReadSide<Response>(executor), WriteSide<Request>(executor) {}
  static void Start(const std::shared_ptr<BidiCore>& core) { Base::Begin(core); }
  static Awaitable<absl::StatusOr<std::optional<Response>>> Next(std::shared_ptr<BidiCore> core) {
    std::optional<Response> message = co_await core->Read();
    if (!message.has_value()) {
      core->CloseWriting();
      core->DropHold();
      if (absl::Status status = co_await core->WaitDone(); !status.ok()) co_return status;
    }
    co_return std::move(message);
  }
  static Awaitable<bool> Send(std::shared_ptr<BidiCore> core, Request message) {
    co_return co_await core->Write(std::move(message));
  }
  static Awaitable<> EndWrites(std::shared_ptr<BidiCore> core) {
    co_await core->WaitWritten();
    // Without the hold the call is ending, and gRPC may be through with it before it says so here.
    if (core->writes_ended_ || !core->held()) co_return;
    core->writes_ended_ = true;
    core->CloseWriting();
    core->StartWritesDone();
  }
  void OnReadDone(bool ok) override {
    this->Post([this, ok] { this->ReadDone(ok); });
  }
  void OnWriteDone(bool ok) override {
    this->Post([this, ok] { this->WriteDone(ok); });
  }

 private:
  void StartReading(Response& into) override { this->StartRead(&into); }
  void StartWriting(const Request& message) override { this->StartWrite(&message); }
  bool writes_ended_ = false;
};

}  // namespace internal

/// One request, one response, within `timeout` (mandatory; a spent one counts as 1 ms). Cancelling
/// the coroutine cancels the call. `stub` must live until this returns.
template <class Async, class Request, class Response>
Awaitable<absl::StatusOr<Response>> Unary(
    Async& stub,
    void (Async::*method)(grpc::ClientContext*, const Request*, Response*,
                          std::function<void(grpc::Status)>),
    std::type_identity_t<Request> request, Duration timeout) {
  using Call = internal::UnaryClientCall<Request, Response>;
  internal::Holder<Call> call(std::make_shared<Call>(co_await asio::this_coro::executor,
                                                     std::move(request), timeout));
  std::function<void(grpc::Status)> on_done = [core = call.get()](const grpc::Status& status) {
    core->Done(status);
  };
  (stub.*method)(call->context(), &call->request, &call->response, std::move(on_done));
  if (absl::Status status = co_await call->WaitDone(); !status.ok()) co_return status;
  co_return std::move(call->response);
}

/// A stream from the server.
template <class Response, class Core>
class BasicReadStream {
 public:
  explicit BasicReadStream(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  /// The next message; nullopt when the server ended the stream with OK; else its status. One at a
  /// time. A cancelled Read() loses nothing.
  Awaitable<absl::StatusOr<std::optional<Response>>> Read() { return Core::Next(core_.get()); }
  /// Thread-safe. What waits ends with Cancelled.
  void Cancel() { core_->CancelCall(); }

 private:
  internal::Holder<Core> core_;
};
template <class Request, class Response>
using ReadStream = BasicReadStream<Response, internal::ReadCore<Request, Response>>;

/// A stream to the server, with one response at its end.
template <class Request, class Response>
class WriteStream {
  using Core = internal::WriteCore<Request, Response>;

 public:
  explicit WriteStream(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  /// False: the call is over, Finish() says why. One at a time.
  Awaitable<bool> Write(Request message) { return Core::Send(core_.get(), std::move(message)); }
  /// Says that nothing more comes, and waits for the response or the status.
  Awaitable<absl::StatusOr<Response>> Finish() { return Core::End(core_.get()); }
  /// Thread-safe.
  void Cancel() { core_->CancelCall(); }

 private:
  internal::Holder<Core> core_;
};

/// Both directions; one coroutine may read while another writes.
template <class Request, class Response>
class ClientBidi {
  using Core = internal::BidiCore<Request, Response>;

 public:
  explicit ClientBidi(std::shared_ptr<Core> core) : core_(std::move(core)) {}
  /// The next message; nullopt when the server ended the stream with OK; else its status. One at a
  /// time. A cancelled Read() loses nothing.
  Awaitable<absl::StatusOr<std::optional<Response>>> Read() { return Core::Next(core_.get()); }
  /// False: the call is over, Read() says why. One at a time.
  Awaitable<bool> Write(Request message) { return Core::Send(core_.get(), std::move(message)); }
  /// Says that nothing more comes.
  Awaitable<> WritesDone() { return Core::EndWrites(core_.get()); }
  /// Thread-safe. What waits ends with Cancelled.
  void Cancel() { core_->CancelCall(); }

 private:
  internal::Holder<Core> core_;
};

/// Starts at once, without waiting for the connection; `executor` is serial. Failures show in Read().
template <class Async, class Request, class Response>
ReadStream<Request, Response> OpenReadStream(
    const asio::any_io_executor& executor, Async& stub,
    void (Async::*method)(grpc::ClientContext*, const Request*, grpc::ClientReadReactor<Response>*),
    std::type_identity_t<Request> request, const StreamOptions& options = {}) {
  using Core = internal::ReadCore<Request, Response>;
  auto core = std::make_shared<Core>(executor, options, std::move(request));
  (stub.*method)(core->context(), &core->request, core.get());
  Core::Start(core);
  return ReadStream<Request, Response>(std::move(core));
}

template <class Async, class Request, class Response>
WriteStream<Request, Response> OpenWriteStream(
    const asio::any_io_executor& executor, Async& stub,
    void (Async::*method)(grpc::ClientContext*, Response*, grpc::ClientWriteReactor<Request>*),
    const StreamOptions& options = {}) {
  using Core = internal::WriteCore<Request, Response>;
  auto core = std::make_shared<Core>(executor, options);
  (stub.*method)(core->context(), &core->response, core.get());
  Core::Start(core);
  return WriteStream<Request, Response>(std::move(core));
}

template <class Async, class Request, class Response>
ClientBidi<Request, Response> OpenBidi(
    const asio::any_io_executor& executor, Async& stub,
    void (Async::*method)(grpc::ClientContext*, grpc::ClientBidiReactor<Request, Response>*),
    const StreamOptions& options = {}) {
  using Core = internal::BidiCore<Request, Response>;
  auto core = std::make_shared<Core>(executor, options);
  (stub.*method)(core->context(), core.get());
  Core::Start(core);
  return ClientBidi<Request, Response>(std::move(core));
}

}  // namespace dragonfly::rpc
