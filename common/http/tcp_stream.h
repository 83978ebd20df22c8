#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <boost/asio/ip/tcp.hpp>

#include "common/http/stream.h"

namespace dragonfly {

/// A TCP socket as HttpStream. System calls are tried first; the reactor is asked only when the
/// kernel's buffers are empty or full.
class TcpStream final : public HttpStream {
 public:
  /// Takes an open, connected socket; its executor becomes the stream's.
  explicit TcpStream(asio::ip::tcp::socket socket);

  Awaitable<absl::StatusOr<std::size_t>> ReadSome(std::span<std::byte> out) override;
  Awaitable<absl::Status> Write(std::span<const std::byte> bytes, Push push) override;
  Awaitable<absl::Status> WriteFile(int fd, std::uint64_t offset, std::uint64_t length,
                                    Push push) override;
  Awaitable<> WaitClosed() override;
  [[nodiscard]] std::uint64_t progress() const override { return progress_; }
  Awaitable<> ShutdownWrite() override;
  void Cancel() override;
  void Abort() override;

 private:
  Awaitable<absl::Status> WaitWritable();

  asio::ip::tcp::socket socket_;
  std::uint64_t progress_ = 0;
};

/// Bytes that were read too early, then the rest of `inner`.
class PrefixedStream final : public HttpStream {
 public:
  PrefixedStream(std::string prefix, std::unique_ptr<HttpStream> inner)
      : prefix_(std::move(prefix)), inner_(std::move(inner)) {}

  Awaitable<absl::StatusOr<std::size_t>> ReadSome(std::span<std::byte> out) override;
  Awaitable<absl::Status> Write(std::span<const std::byte> bytes, Push push) override {
    return inner_->Write(bytes, push);
  }
  Awaitable<absl::Status> WriteFile(int fd, std::uint64_t offset, std::uint64_t length,
                                    Push push) override {
    return inner_->WriteFile(fd, offset, length, push);
  }
  Awaitable<> WaitClosed() override { return inner_->WaitClosed(); }
  [[nodiscard]] std::uint64_t progress() const override { return inner_->progress(); }
  Awaitable<> ShutdownWrite() override { return inner_->ShutdownWrite(); }
  void Cancel() override { inner_->Cancel(); }
  void Abort() override { inner_->Abort(); }

 private:
  std::string prefix_;
  std::unique_ptr<HttpStream> inner_;
};

}  // namespace dragonfly
