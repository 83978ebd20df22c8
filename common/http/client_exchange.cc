#include "common/http/client_exchange.h"

#include <algorithm>
#include <utility>

#include "common/base/bytes.h"

namespace dragonfly::internal {

ClientExchange::ClientExchange(std::shared_ptr<CurlEngine> engine, HttpClientRequest request) {
  const std::size_t buffer = std::min(kReceiveBufferBytes, engine->options().receive_buffer_bytes);
  HttpBodySink& sink = *this;
  transfer_ = std::make_shared<CurlTransfer>(std::move(engine), std::move(request), sink, buffer);
}

ClientExchange::~ClientExchange() {
  transfer_->Fail(absl::CancelledError("the exchange was given up"));
}

Awaitable<absl::Status> ClientExchange::Write(std::span<const std::byte> bytes) {
  // However this ends, nobody may read the caller's bytes afterwards.
  struct Withdraw {
    CurlTransfer& transfer;
    ~Withdraw() { transfer.OfferBody({}); }
  };
  const Withdraw withdraw{*transfer_};
  transfer_->OfferBody(bytes);
  while (!transfer_->body_taken()) {
    const auto seen = transfer_->changed().version();
    if (transfer_->done() && !transfer_->result().ok()) co_return transfer_->result();
    // From an answer of 400 on curl sends nothing more.
    if (transfer_->done() || (transfer_->has_head() && transfer_->head().status_code >= 400)) {
      co_return absl::FailedPreconditionError("the server has answered already");
    }
    co_await transfer_->changed().WaitPast(seen);
  }
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<HttpClientResponse>> ClientExchange::ReadHead() {
  while (!transfer_->has_head()) {
    const auto seen = transfer_->changed().version();
    if (transfer_->done()) co_return transfer_->result();
    co_await transfer_->changed().WaitPast(seen);
  }
  co_return transfer_->head();
}

absl::StatusOr<HttpBodySink::Flow> ClientExchange::OnBody(std::span<const std::byte> bytes) {
  received_.append(AsText(bytes));
  // ReadSome may be waiting for the first bytes.
  transfer_->changed().Notify();
  return received_.size() >= kReadAheadBytes ? Flow::kPause : Flow::kContinue;
}

Awaitable<absl::StatusOr<std::span<const std::byte>>> ClientExchange::ReadSome() {
  handed_out_.clear();
  while (received_.empty()) {
    const auto seen = transfer_->changed().version();
    if (transfer_->done()) {
      if (!transfer_->result().ok()) co_return transfer_->result();
      co_return std::span<const std::byte>();
    }
    co_await transfer_->changed().WaitPast(seen);
  }
  handed_out_.swap(received_);
  transfer_->Resume();
  co_return AsBytes(handed_out_);
}

}  // namespace dragonfly::internal
