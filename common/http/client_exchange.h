#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "common/http/client.h"
#include "common/http/curl_engine.h"
#include "common/http/curl_transfer.h"

namespace dragonfly::internal {

/// An exchange whose response body the caller pulls; reads at most kReadAheadBytes and what curl has
/// received already ahead of it.
class ClientExchange final : public HttpExchange, private HttpBodySink {
 public:
  static constexpr std::size_t kReadAheadBytes = 256 * 1024;
  static constexpr std::size_t kReceiveBufferBytes = 64 * 1024;

  ClientExchange(std::shared_ptr<CurlEngine> engine, HttpClientRequest request);
  ~ClientExchange() override;

  absl::Status Start() { return transfer_->Start(); }

  Awaitable<absl::Status> Write(std::span<const std::byte> bytes) override;
  void FinishBody() override { transfer_->FinishBody(); }
  Awaitable<absl::StatusOr<HttpClientResponse>> ReadHead() override;
  Awaitable<absl::StatusOr<std::span<const std::byte>>> ReadSome() override;

 private:
  absl::Status OnHead(const HttpClientResponse& /*head*/) override { return absl::OkStatus(); }
  absl::StatusOr<Flow> OnBody(std::span<const std::byte> bytes) override;

  std::string received_;
  std::string handed_out_;
  std::shared_ptr<CurlTransfer> transfer_;
};

}  // namespace dragonfly::internal
