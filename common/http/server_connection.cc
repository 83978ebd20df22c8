#include "common/http/server_connection.h"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/system/system_error.hpp>

#include "common/base/bytes.h"
#include "common/base/strings.h"
#include "common/http/request_parser.h"
#include "common/http/responder.h"
#include "common/http/tls_stream.h"

namespace dragonfly {
namespace {

using Result = HttpRequestParser::Result;

constexpr std::size_t kSkippedBodyBytesMax = 256 * 1024;
// Chunk sizes, extensions and trailers between two bytes of a body.
constexpr std::size_t kBodyOverheadBytesMax = 64 * 1024;
constexpr std::size_t kGentleCloseBytesMax = 1024 * 1024;
constexpr std::chrono::seconds kGentleCloseTimeout{2};

absl::Status HeadError(Result result) {
  switch (result) {
    case Result::kHeadTooLarge:
      return absl::ResourceExhaustedError("request head is too large");
    case Result::kBodyTooLarge:
      return absl::OutOfRangeError("request body is too large");
    default:
      return absl::InvalidArgumentError("not an HTTP/1 request");
  }
}

bool WantsContinue(const HttpRequest& request) {
  const auto expect = FindHeader(request.headers, "Expect");
  return request.version >= 11 && expect && SameHeaderName(*expect, "100-continue");
}

bool IsCancellation(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& e) {
    return e.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace

class HttpConnection::Request final : public HttpRequest {
 public:
  Request(HttpConnection& connection, HttpRequestParser& parser)
      : connection_(connection), parser_(parser) {
    method = parser.method();
    target = parser.target();
    version = parser.version();
    headers = parser.headers();
    remote_ip = connection.peer_.ip;
    remote_port = connection.peer_.port;
    has_body = !parser.complete();
    if (has_body) content_length = parser.content_length();
    wants_continue_ = has_body && WantsContinue(*this);
  }

  Awaitable<absl::StatusOr<std::size_t>> ReadBody(std::span<std::byte> out) override {
    if (out.empty()) co_return absl::InvalidArgumentError("read body: no room");
    std::string& buffer = connection_.buffer_;
    while (!parser_.complete()) {
      const auto step = parser_.ParseBody(buffer, out);
      buffer.erase(0, step.consumed);
      if (step.produced > 0) co_return step.produced;
      if (step.result == Result::kDone) break;
      if (step.result == Result::kBodyTooLarge) {
        co_return absl::ResourceExhaustedError("request body is too large");
      }
      if (step.result != Result::kNeedMore || buffer.size() > kBodyOverheadBytesMax) {
        co_return absl::InvalidArgumentError("request body is malformed");
      }
      if (connection_.stream_ == nullptr) co_return absl::CancelledError("connection: handed over");
      if (std::exchange(wants_continue_, false)) {
        absl::Status told = co_await connection_.stream_->Write(
            AsBytes("HTTP/1.1 100 Continue\r\n\r\n"), HttpStream::Push::kNow);
        if (!told.ok()) co_return told;
      }
      connection_.timer_.WhileMoving(connection_.limits_.stall_timeout);
      const auto filled = co_await connection_.Fill();
      connection_.timer_.Off();
      if (!filled.ok()) co_return filled.status();
      if (!*filled) co_return absl::CancelledError("request body ended early");
    }
    co_return std::size_t{0};
  }

  [[nodiscard]] bool complete() const { return parser_.complete(); }
  /// The client waits for leave to send the body, and it was not asked for.
  [[nodiscard]] bool body_was_not_wanted() const { return wants_continue_; }
  [[nodiscard]] bool keep_alive() const { return parser_.keep_alive(); }

 private:
  HttpConnection& connection_;
  HttpRequestParser& parser_;
  bool wants_continue_ = false;
};

HttpConnection::HttpConnection(asio::any_io_executor executor, std::unique_ptr<HttpStream> stream,
                               Peer peer, HttpServerLimits limits, HttpHandler handler)
    : executor_(executor),
      stream_(std::move(stream)),
      peer_(std::move(peer)),
      limits_(limits),
      handler_(std::move(handler)),
      timer_(std::move(executor)) {
  timer_.SetStream(stream_.get());
}

HttpConnection::~HttpConnection() = default;

Awaitable<> HttpConnection::Run(std::shared_ptr<const HttpServerTls> tls) {
  if (tls != nullptr) {
    timer_.Within(limits_.head_timeout);
    // The raw stream moves into the TLS one and stays where the timer knows it.
    auto secured = co_await AcceptTls(std::move(stream_), std::move(tls));
    timer_.Off();
    if (!secured.ok()) {
      timer_.SetStream(nullptr);
      co_return;
    }
    stream_ = *std::move(secured);
    timer_.SetStream(stream_.get());
  }
  Next next = Next::kContinue;
  while (next == Next::kContinue) next = co_await ServeOne();
  if (next == Next::kLeave) co_return;
  if (next == Next::kCloseGently) co_await CloseGently();
  if (next == Next::kAbort) {
    stream_->Abort();
  } else {
    co_await stream_->ShutdownWrite();
  }
}

void HttpConnection::CloseWhenIdle() {
  closing_ = true;
  if (idle_ && stream_ != nullptr) stream_->Cancel();
}

Awaitable<absl::StatusOr<bool>> HttpConnection::Fill() {
  std::array<std::byte, 16 * 1024> bytes;
  const auto got = co_await stream_->ReadSome(bytes);
  if (!got.ok()) {
    if (timer_.fired()) co_return absl::DeadlineExceededError("the client is silent");
    co_return got.status();
  }
  buffer_.append(AsText(std::span(bytes).first(*got)));
  co_return *got > 0;
}

Awaitable<absl::Status> HttpConnection::ReadHead(HttpRequestParser& parser) {
  idle_ = true;
  timer_.Within(limits_.idle_timeout);
  while (true) {
    // Some clients send an empty line behind a body: RFC 9112, 2.2.
    while (idle_ && !buffer_.empty() && (buffer_[0] == '\r' || buffer_[0] == '\n')) {
      buffer_.erase(0, 1);
    }
    if (!buffer_.empty()) {
      idle_ = false;
      const auto step = parser.ParseHead(buffer_);
      buffer_.erase(0, step.consumed);
      if (step.result == Result::kDone) break;
      if (step.result != Result::kNeedMore) co_return HeadError(step.result);
    }
    if (idle_ && closing_) co_return absl::CancelledError("closing");
    const bool first_bytes = idle_;
    const auto filled = co_await Fill();
    if (!filled.ok() || !*filled) {
      if (!filled.ok() && absl::IsDeadlineExceeded(filled.status()) && !idle_) {
        co_return filled.status();
      }
      co_return absl::CancelledError("the client closed");
    }
    if (first_bytes) timer_.Within(limits_.head_timeout);
  }
  timer_.Off();
  co_return absl::OkStatus();
}

Awaitable<HttpConnection::Next> HttpConnection::RefuseHead(absl::Status why) {
  int code = 400;
  switch (why.code()) {
    case absl::StatusCode::kResourceExhausted:
      code = 431;
      break;
    case absl::StatusCode::kOutOfRange:
      code = 413;
      break;
    case absl::StatusCode::kInvalidArgument:
      break;
    default:
      co_return Next::kClose;
  }
  HttpResponseHead head;
  head.status = code;
  head.headers = {{"Content-Type", "text/plain; charset=utf-8"}};
  const std::string body = StrCat(std::string_view(why.message().data(), why.message().size()), "\n");
  head.content_length = body.size();
  timer_.Within(limits_.head_timeout);
  const std::string text =
      WriteResponseHead(head, BodyFraming::kContentLength, 11, /*keep_alive=*/false) + body;
  const absl::Status sent = co_await stream_->Write(AsBytes(text), HttpStream::Push::kNow);
  co_return sent.ok() ? Next::kCloseGently : Next::kClose;
}

Awaitable<HttpConnection::Next> HttpConnection::ServeOne() {
  HttpRequestParser parser(limits_.head_bytes_max, limits_.body_bytes_max);
  absl::Status head = co_await ReadHead(parser);
  idle_ = false;
  if (!head.ok()) co_return co_await RefuseHead(std::move(head));

  Request request(*this, parser);
  ConnectionResponder responder(
      {stream_, buffer_, timer_, limits_.stall_timeout, request, request.keep_alive() && !closing_});
  co_await CallHandler(request, responder);
  co_return co_await AfterHandler(request, responder);
}

Awaitable<> HttpConnection::CallHandler(Request& request, ConnectionResponder& responder) {
  // While a body is on its way, a client that left is noticed by reading; a tunnel reads by itself.
  if (request.has_body || request.method == "CONNECT") {
    co_await RunHandler(request, responder);
    co_return;
  }
  auto [order, handler_error, watch_error] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(executor_, RunHandler(request, responder), asio::deferred),
          asio::co_spawn(executor_, WatchClient(), asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  if (handler_error && !IsCancellation(handler_error)) std::rethrow_exception(handler_error);
}

Awaitable<> HttpConnection::RunHandler(Request& request, ConnectionResponder& responder) {
  co_await handler_(request, responder);
}

Awaitable<> HttpConnection::WatchClient() {
  co_await stream_->WaitClosed();
}

Awaitable<HttpConnection::Next> HttpConnection::AfterHandler(Request& request,
                                                            ConnectionResponder& responder) {
  if (responder.upgraded()) co_return Next::kLeave;
  if (!responder.begun()) {
    responder.CloseAfterwards();
    const absl::Status sent =
        co_await responder.Send(HttpResponse::Text(500, "the server did not answer\n"));
    co_return sent.ok() ? Next::kCloseGently : Next::kClose;
  }
  if (responder.end_is_ambiguous()) co_return Next::kAbort;
  if (!responder.complete()) co_return Next::kClose;
  if (!responder.keep_alive()) {
    co_return request.complete() ? Next::kClose : Next::kCloseGently;
  }
  if (request.body_was_not_wanted()) co_return Next::kCloseGently;
  std::size_t skipped = 0;
  std::vector<std::byte> scratch;
  while (!request.complete()) {
    scratch.resize(16 * 1024);
    const auto got = co_await request.ReadBody(scratch);
    if (!got.ok()) co_return Next::kClose;
    skipped += *got;
    if (skipped > kSkippedBodyBytesMax) co_return Next::kCloseGently;
  }
  co_return Next::kContinue;
}

Awaitable<> HttpConnection::CloseGently() {
  // Closing with unread bytes resets the connection, and the client may then lose the answer.
  co_await stream_->ShutdownWrite();
  timer_.Within(kGentleCloseTimeout);
  std::size_t skipped = buffer_.size();
  buffer_.clear();
  while (skipped < kGentleCloseBytesMax) {
    const auto filled = co_await Fill();
    if (!filled.ok() || !*filled) break;
    skipped += buffer_.size();
    buffer_.clear();
  }
  timer_.Off();
}

Awaitable<> ServeHttp(std::unique_ptr<HttpStream> stream, std::shared_ptr<const HttpServerTls> tls,
                      HttpServerLimits limits, const HttpRequest& peer, HttpHandler handler) {
  HttpConnection connection(co_await asio::this_coro::executor, std::move(stream),
                            {peer.remote_ip, peer.remote_port}, limits, std::move(handler));
  co_await connection.Run(std::move(tls));
}

}  // namespace dragonfly
