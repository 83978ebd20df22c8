#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/digest/digest.h"
#include "common/vortex/codec.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/transfer/transfer_metrics.h"
#include "dfdaemon/transfer/writer_sink.h"

namespace dragonfly::dfdaemon {

class CountingMetrics final : public TransferMetrics {
 public:
  void UploadStarted() override { ++started; }
  void UploadFinished(TaskKind, std::uint64_t bytes) override {
    ++finished;
    bytes_sent += bytes;
  }
  void UploadFailed(TaskKind) override { ++failed; }
  void PieceReceived(TaskKind, std::uint64_t bytes) override {
    ++received;
    bytes_received += bytes;
  }

  std::atomic<int> started{0}, finished{0}, failed{0}, received{0};
  std::atomic<std::uint64_t> bytes_sent{0}, bytes_received{0};
};

/// A blocking socket for test code that plays the other side.
class RawSocket {
 public:
  explicit RawSocket(int fd = -1) : fd_(fd) {
    // A test that waits for ever fails by reading too little.
    WaitAtMost(std::chrono::seconds(10));
  }
  RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawSocket& operator=(RawSocket&&) = delete;
  ~RawSocket() { Close(); }

  static RawSocket Connect(std::uint16_t port) {
    RawSocket result(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(result.fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return result;
  }

  [[nodiscard]] int fd() const { return fd_; }
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// Fewer bytes when the stream ends, breaks, or is silent for 10 s.
  std::string Read(std::size_t count) {
    std::string bytes(count, '\0');
    std::size_t have = 0;
    while (have < count) {
      const ssize_t got = ::recv(fd_, bytes.data() + have, count - have, 0);
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    bytes.resize(have);
    return bytes;
  }
  std::string ReadToEnd() {
    std::string bytes;
    while (true) {
      const std::string more = Read(64 * 1024);
      bytes += more;
      if (more.size() < 64 * 1024) return bytes;
    }
  }
  /// The other side has closed, and nothing came before.
  bool AtEnd() {
    char byte = 0;
    const ssize_t got = ::recv(fd_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }
  /// Nothing came within `limit` and the other side is still there.
  bool SilentFor(std::chrono::milliseconds limit) {
    WaitAtMost(limit);
    char byte = 0;
    const bool silent = ::recv(fd_, &byte, 1, 0) < 0 && errno == EAGAIN;
    WaitAtMost(std::chrono::seconds(10));
    return silent;
  }
  void EndSending() { ::shutdown(fd_, SHUT_WR); }
  void Shutdown() { ::shutdown(fd_, SHUT_RDWR); }
  void Close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  void WaitAtMost(std::chrono::milliseconds time) {
    const timeval limit{.tv_sec = time.count() / 1000, .tv_usec = time.count() % 1000 * 1000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }

  int fd_;
};

/// A parent whose behaviour is a function of the test, called on a thread of its own for every
/// connection with its number from 0. The connection closes when it returns.
class FakeParent {
 public:
  using Script = std::function<void(RawSocket& socket, int connection)>;

  explicit FakeParent(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    accepting_ = std::thread([this] { Accept(); });
  }
  ~FakeParent() {
    ::shutdown(listener_, SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const auto& socket : sockets_) socket->Shutdown();
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int connections() const { return connections_; }

 private:
  void Accept() {
    while (true) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      auto socket = std::make_shared<RawSocket>(fd);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket, number = connections_++] {
        script_(*socket, number);
        // Not close(): the destructor may use the descriptor at the same time.
        socket->Shutdown();
      });
    }
  }

  const Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_{0};
  std::thread accepting_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<RawSocket>> sockets_;
  std::vector<std::thread> threads_;  // Appended to by accepting_, joined after it.
};

/// A piece in memory. `fail_with`: what Append() returns from the first call on.
class MemoryPieceWriter final : public PieceWriter {
 public:
  MemoryPieceWriter(PieceNumber number, std::uint64_t offset, std::uint64_t length)
      : number_(number), offset_(offset), length_(length) {}

  [[nodiscard]] PieceNumber number() const override { return number_; }
  [[nodiscard]] std::uint64_t offset() const override { return offset_; }
  [[nodiscard]] std::uint64_t length() const override { return length_; }
  [[nodiscard]] std::uint64_t written() const override { return bytes.size(); }
  [[nodiscard]] std::uint32_t crc32() const override { return Crc32(0, AsBytes(bytes)); }
  absl::Status Append(std::span<const std::byte> more) override {
    if (!fail_with.ok()) return fail_with;
    bytes += AsText(more);
    largest_append = std::max(largest_append, more.size());
    return absl::OkStatus();
  }
  void PassOn(std::uint32_t, PeerId) override {}
  void Restart() override { bytes.clear(); }
  absl::Status Commit(PieceRecord, std::optional<std::uint32_t>) override {
    return absl::OkStatus();
  }

  std::string bytes;
  std::size_t largest_append = 0;
  absl::Status fail_with;

 private:
  const PieceNumber number_;
  const std::uint64_t offset_;
  const std::uint64_t length_;
};

inline std::string RequestBytes(TaskKind kind, std::string_view task, PieceNumber number) {
  std::byte out[kVortexRequestBytes];
  EXPECT_EQ(WriteVortexRequest(1, VortexRequestTag(kind), {task, number}, out), sizeof(out));
  return std::string(AsText(out));
}

/// Header and metadata of an answer.
inline std::string ContentHead(const VortexMetadata& metadata,
                               VortexTag tag = VortexTag::kPieceContent) {
  std::vector<std::byte> out(1024 + metadata.digest.size() + metadata.parent_id.size());
  return std::string(AsText(std::span(out).first(WriteVortexContent(7, tag, metadata, out))));
}

inline std::string ErrorBytes(VortexErrorCode code, std::string_view message) {
  std::vector<std::byte> out(64 + message.size());
  return std::string(AsText(std::span(out).first(WriteVortexError(7, {code, message}, out))));
}

}  // namespace dragonfly::dfdaemon
