#pragma once

// Turns the methods of a generated CallbackService into coroutines:
//
//   grpc::ServerUnaryReactor* GetScheduler(grpc::CallbackServerContext* context,
//                                          const pb::manager::GetSchedulerRequest* request,
//                                          pb::manager::Scheduler* response) override {
//     return rpc::ServeUnary(calls_, "/manager.v2.Manager/GetScheduler", context, request, response,
//                            std::bind_front(&ManagerService::DoGetScheduler, this));
//   }
//   Awaitable<absl::Status> DoGetScheduler(rpc::ServerCall& call,
//                                          const pb::manager::GetSchedulerRequest& request,
//                                          pb::manager::Scheduler& response);
//
// Handlers run on the executor that Calls gives. When the client goes away, the deadline of a unary
// call passes or the server drains, the handler is cancelled: its next co_await throws
// operation_aborted. A handler that returns ends the call with its status, also when the client has
// more to send. All references are good until the handler has returned.
//
// A deadline that the client sent ends unary calls only. Rust clients send one on streams too and
// mean by it the time until the response headers (see Server).

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "common/rpc/coroutine_call.h"
#include "common/rpc/status.h"
#include "common/rpc/stream_side.h"

namespace dragonfly::rpc {

/// What a handler of a server stream writes to. See WriteSide::Write().
template <class Response>
class Writer : public WriteSide<Response> {
 public:
  using WriteSide<Response>::WriteSide;
  /// Sends the response headers now instead of with the first message. At most once, before it.
  virtual void SendInitialMetadata() = 0;
};

/// What a handler of a client stream reads from. See ReadSide::Read(); nullopt also when the client
/// is gone, but then the handler is cancelled as well.
template <class Request>
class Reader : public ReadSide<Request> {
 public:
  using ReadSide<Request>::ReadSide;
  virtual void SendInitialMetadata() = 0;
};

/// Both. One coroutine may read while another writes.
template <class Request, class Response>
class Bidi : public ReadSide<Request>, public WriteSide<Response> {
 public:
  explicit Bidi(const asio::any_io_executor& executor)
      : ReadSide<Request>(executor), WriteSide<Response>(executor) {}
  virtual void SendInitialMetadata() = 0;
};

namespace internal {

/// A reactor that refuses the call.
template <class Reactor>
class Refusal final : public Reactor {
 public:
  explicit Refusal(const absl::Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

std::optional<SteadyTime> ReceivedDeadline(const grpc::CallbackServerContext& context);
absl::Status ClientGone();

/// What the reactors have in common. `Reactor` is one of gRPC's four.
template <class Reactor>
class Call : public Reactor, public CoroutineCall {
 public:
  using CoroutineCall::CoroutineCall;

  void OnCancel() override { Cancel(ClientGone()); }
  void OnDone() override {
    // Perhaps the last reference: nothing may follow.
    auto last = std::move(self_);
  }

 protected:
  template <class Derived>
  static Derived* Keep(std::shared_ptr<Derived> call) {
    Derived* result = call.get();
    result->Register();
    result->self_ = std::move(call);
    return result;
  }
  /// Runs `function(*this)` on the executor.
  template <class Derived, class Function>
  void PostTo(Derived*, Function function) {
    asio::post(executor(), [self = std::static_pointer_cast<Derived>(shared_from_this()),
                            function = std::move(function)] { function(*self); });
  }

 private:
  std::shared_ptr<CoroutineCall> self_;
};

template <class Request, class Response, class Handler>
class UnaryCall final : public Call<grpc::ServerUnaryReactor> {
 public:
  UnaryCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context,
            Handler handler)
      : Call(calls, method, context), handler_(std::move(handler)) {}

  static grpc::ServerUnaryReactor* Serve(std::shared_ptr<UnaryCall> call, const Request* request,
                                         Response* response) {
    UnaryCall* kept = Keep(std::move(call));
    kept->Run([kept, request, response] { return kept->handler_(*kept, *request, *response); },
              ReceivedDeadline(*kept->context()));
    return kept;
  }

 private:
  void HandlerReturned(const absl::Status& status) override { this->Finish(ToGrpc(status)); }

  Handler handler_;
};

template <class Request, class Response, class Handler>
class WriterCall final : public Call<grpc::ServerWriteReactor<Response>>, public Writer<Response> {
  using Base = Call<grpc::ServerWriteReactor<Response>>;

 public:
  WriterCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context,
             Handler handler)
      : Base(calls, method, context),
        Writer<Response>(this->executor()),
        handler_(std::move(handler)) {}

  static grpc::ServerWriteReactor<Response>* Serve(std::shared_ptr<WriterCall> call,
                                                   const Request* request) {
    WriterCall* kept = Base::Keep(std::move(call));
    kept->Run([kept, request] { return kept->handler_(*kept, *request, *kept); });
    return kept;
  }
  void SendInitialMetadata() override { this->StartSendInitialMetadata(); }
  void OnWriteDone(bool ok) override {
    this->PostTo(this, [ok](WriterCall& call) {
      call.WriteDone(ok);
      call.FinishIfPossible();
    });
  }

 private:
  void StartWriting(const Response& message) override { this->StartWrite(&message); }
  void HandlerReturned(const absl::Status& status) override {
    this->CloseWriting();
    status_ = status;
    FinishIfPossible();
  }
  void FinishIfPossible() {
    if (!status_.has_value() || this->writing()) return;
    this->Finish(ToGrpc(*std::exchange(status_, std::nullopt)));
  }

  Handler handler_;
  std::optional<absl::Status> status_;
};

template <class Request, class Response, class Handler>
class ReaderCall final : public Call<grpc::ServerReadReactor<Request>>, public Reader<Request> {
  using Base = Call<grpc::ServerReadReactor<Request>>;

 public:
  ReaderCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context,
             Handler handler)
      : Base(calls, method, context),
        Reader<Request>(this->executor()),
        handler_(std::move(handler)) {}

  static grpc::ServerReadReactor<Request>* Serve(std::shared_ptr<ReaderCall> call,
                                                 Response* response) {
    ReaderCall* kept = Base::Keep(std::move(call));
    kept->Run([kept, response] { return kept->handler_(*kept, *kept, *response); });
    return kept;
  }
  void SendInitialMetadata() override { this->StartSendInitialMetadata(); }
  void OnReadDone(bool ok) override {
    this->PostTo(this, [ok](ReaderCall& call) { call.ReadDone(ok); });
  }

 private:
  void StartReading(Request& into) override { this->StartRead(&into); }
  void HandlerReturned(const absl::Status& status) override { this->Finish(ToGrpc(status)); }

  Handler handler_;
};

template <class Request, class Response, class Handler>
class StreamCall final : public Call<grpc::ServerBidiReactor<Request, Response>>,
                         public Bidi<Request, Response> {
  using Base = Call<grpc::ServerBidiReactor<Request, Response>>;

 public:
  StreamCall(Calls& calls, std::string_view method, grpc::CallbackServerContext* context,
             Handler handler)
      : Base(calls, method, context),
        Bidi<Request, Response>(this->executor()),
        handler_(std::move(handler)) {}

  static grpc::ServerBidiReactor<Request, Response>* Serve(std::shared_ptr<StreamCall> call) {
    StreamCall* kept = Base::Keep(std::move(call));
    kept->Run([kept] { return kept->handler_(*kept, *kept); });
    return kept;
  }
  void SendInitialMetadata() override { this->StartSendInitialMetadata(); }
  void OnReadDone(bool ok) override {
    this->PostTo(this, [ok](StreamCall& call) { call.ReadDone(ok); });
  }
  void OnWriteDone(bool ok) override {
    this->PostTo(this, [ok](StreamCall& call) {
      call.WriteDone(ok);
      call.FinishIfPossible();
    });
  }

 private:
  void StartReading(Request& into) override { this->StartRead(&into); }
  void StartWriting(const Response& message) override { this->StartWrite(&message); }
  void HandlerReturned(const absl::Status& status) override {
    this->CloseWriting();
    status_ = status;
    FinishIfPossible();
  }
  void FinishIfPossible() {
    if (!status_.has_value() || this->writing()) return;
    this->Finish(ToGrpc(*std::exchange(status_, std::nullopt)));
  }

  Handler handler_;
  std::optional<absl::Status> status_;
};

}  // namespace internal

/// `handler(ServerCall&, const Request&, Response&) -> Awaitable<absl::Status>`.
template <class Request, class Response, class Handler>
grpc::ServerUnaryReactor* ServeUnary(Calls& calls, std::string_view method,
                                     grpc::CallbackServerContext* context, const Request* request,
                                     Response* response, Handler handler) {
  using Call = internal::UnaryCall<Request, Response, Handler>;
  if (const absl::Status status = calls.Admit(method); !status.ok()) {
    return new internal::Refusal<grpc::ServerUnaryReactor>(status);
  }
  return Call::Serve(std::make_shared<Call>(calls, method, context, std::move(handler)), request,
                     response);
}

/// `handler(ServerCall&, const Request&, Writer<Response>&) -> Awaitable<absl::Status>`.
template <class Response, class Request, class Handler>
grpc::ServerWriteReactor<Response>* ServeWriter(Calls& calls, std::string_view method,
                                                grpc::CallbackServerContext* context,
                                                const Request* request, Handler handler) {
  using Call = internal::WriterCall<Request, Response, Handler>;
  if (const absl::Status status = calls.Admit(method); !status.ok()) {
    return new internal::Refusal<grpc::ServerWriteReactor<Response>>(status);
  }
  return Call::Serve(std::make_shared<Call>(calls, method, context, std::move(handler)), request);
}

/// `handler(ServerCall&, Reader<Request>&, Response&) -> Awaitable<absl::Status>`.
template <class Request, class Response, class Handler>
grpc::ServerReadReactor<Request>* ServeReader(Calls& calls, std::string_view method,
                                              grpc::CallbackServerContext* context,
                                              Response* response, Handler handler) {
  using Call = internal::ReaderCall<Request, Response, Handler>;
  if (const absl::Status status = calls.Admit(method); !status.ok()) {
    return new internal::Refusal<grpc::ServerReadReactor<Request>>(status);
  }
  return Call::Serve(std::make_shared<Call>(calls, method, context, std::move(handler)), response);
}

/// `handler(ServerCall&, Bidi<Request, Response>&) -> Awaitable<absl::Status>`.
template <class Request, class Response, class Handler>
grpc::ServerBidiReactor<Request, Response>* ServeBidi(Calls& calls, std::string_view method,
                                                      grpc::CallbackServerContext* context,
                                                      Handler handler) {
  using Call = internal::StreamCall<Request, Response, Handler>;
  if (const absl::Status status = calls.Admit(method); !status.ok()) {
    return new internal::Refusal<grpc::ServerBidiReactor<Request, Response>>(status);
  }
  return Call::Serve(std::make_shared<Call>(calls, method, context, std::move(handler)));
}

}  // namespace dragonfly::rpc
