#include "common/http/client.h"

#include <atomic>
#include <utility>

#include "common/async/run_on.h"
#include "common/base/bytes.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/http/client_exchange.h"
#include "common/http/curl_engine.h"
#include "common/http/curl_transfer.h"

namespace dragonfly {
namespace {

using internal::ClientExchange;
using internal::CurlEngine;
using internal::CurlTransfer;

Awaitable<absl::StatusOr<HttpClientResponse>> FetchOn(std::shared_ptr<CurlEngine> engine,
                                                      HttpClientRequest request,
                                                      HttpBodySink& sink) {
  const std::size_t buffer = engine->options().receive_buffer_bytes;
  const auto transfer = std::make_shared<CurlTransfer>(engine, std::move(request), sink, buffer);
  // Also when this coroutine is cancelled: the sink must not be called any more.
  struct Abort {
    CurlTransfer& transfer;
    ~Abort() { transfer.Fail(absl::CancelledError("the exchange was given up")); }
  };
  const Abort abort{*transfer};
  CO_RETURN_IF_ERROR(transfer->Start());
  while (!transfer->done()) {
    const auto seen = transfer->changed().version();
    if (transfer->paused()) {
      co_await sink.WhenReady();
      transfer->Resume();
    } else {
      co_await transfer->changed().WaitPast(seen);
    }
  }
  CO_RETURN_IF_ERROR(transfer->result());
  co_return transfer->head();
}

class MemorySink final : public HttpBodySink {
 public:
  explicit MemorySink(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  absl::Status OnHead(const HttpClientResponse& /*head*/) override { return absl::OkStatus(); }
  absl::StatusOr<Flow> OnBody(std::span<const std::byte> bytes) override {
    if (bytes.size() > bytes_max_ - body_.size()) {
      return absl::ResourceExhaustedError(
          StrCat("the answer is longer than ", bytes_max_, " bytes"));
    }
    body_.append(AsText(bytes));
    return Flow::kContinue;
  }
  std::string Take() { return std::move(body_); }

 private:
  const std::size_t bytes_max_;
  std::string body_;
};

}  // namespace

class HttpClient::Impl {
 public:
  Impl(HttpClientOptions options, std::vector<asio::any_io_executor> executors) {
    DF_CHECK(!executors.empty());
    for (auto& executor : executors) {
      engines_.push_back(std::make_shared<CurlEngine>(options, std::move(executor)));
    }
  }

  /// Null when `executor` is none of ours.
  [[nodiscard]] std::shared_ptr<CurlEngine> Of(const asio::any_io_executor& executor) const {
    for (const auto& engine : engines_) {
      if (engine->executor() == executor) return engine;
    }
    return nullptr;
  }
  [[nodiscard]] std::shared_ptr<CurlEngine> Next() {
    return engines_[next_.fetch_add(1, std::memory_order_relaxed) % engines_.size()];
  }
  [[nodiscard]] const std::vector<std::shared_ptr<CurlEngine>>& engines() const {
    return engines_;
  }

 private:
  std::vector<std::shared_ptr<CurlEngine>> engines_;
  std::atomic<std::size_t> next_{0};
};

HttpClient::HttpClient(HttpClientOptions options, std::vector<asio::any_io_executor> executors)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(executors))) {}

HttpClient::~HttpClient() = default;

Awaitable<absl::StatusOr<HttpClientResponse>> HttpClient::Fetch(HttpClientRequest request,
                                                                HttpBodySink& sink) {
  if (request.body_kind == HttpClientRequest::Body::kStreamed) {
    co_return absl::InvalidArgumentError("a streamed body needs Open()");
  }
  const auto executor = co_await asio::this_coro::executor;
  auto engine = impl_->Of(executor);
  if (engine != nullptr) {
    co_return co_await FetchOn(std::move(engine), std::move(request), sink);
  }
  engine = impl_->Next();
  auto work = FetchOn(engine, std::move(request), sink);
  co_return co_await RunOn(engine->executor(), std::move(work));
}

Awaitable<absl::StatusOr<HttpClient::Reply>> HttpClient::FetchToMemory(HttpClientRequest request,
                                                                       std::size_t body_bytes_max) {
  MemorySink sink(body_bytes_max);
  auto head = co_await Fetch(std::move(request), sink);
  if (!head.ok()) co_return head.status();
  Reply reply;
  reply.head = *std::move(head);
  reply.body = sink.Take();
  co_return reply;
}

Awaitable<absl::StatusOr<std::unique_ptr<HttpExchange>>> HttpClient::Open(
    HttpClientRequest request) {
  auto engine = impl_->Of(co_await asio::this_coro::executor);
  if (engine == nullptr) {
    co_return absl::FailedPreconditionError("HTTP exchange opened on a foreign executor");
  }
  auto exchange = std::make_unique<ClientExchange>(std::move(engine), std::move(request));
  CO_RETURN_IF_ERROR(exchange->Start());
  co_return std::unique_ptr<HttpExchange>(std::move(exchange));
}

namespace {

Awaitable<bool> StopEngine(std::shared_ptr<CurlEngine> engine) {
  engine->Stop();
  co_return true;
}

}  // namespace

Awaitable<> HttpClient::Stop() {
  for (const auto& engine : impl_->engines()) {
    auto work = StopEngine(engine);
    co_await RunOn(engine->executor(), std::move(work));
  }
}

}  // namespace dragonfly
