#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace dragonfly {

/// A blocking client for tests of servers: sends raw bytes to a port of 127.0.0.1 and reads what
/// comes. Every wait ends after ten seconds, as if the connection were closed.
class TestSocket {
 public:
  /// `receive_buffer` bytes of the kernel; 0 = its choice.
  explicit TestSocket(std::uint16_t port, int receive_buffer = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~TestSocket() { Close(); }
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void ShutdownWrite() { ::shutdown(fd_, SHUT_WR); }

  bool Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Reads until `end` has arrived and returns everything up to and with it; what came without it
  /// when the connection ended.
  std::string ReadUntil(std::string_view end) {
    std::size_t found = 0;
    while ((found = received_.find(end)) == std::string::npos) {
      if (!Receive()) return std::exchange(received_, {});
    }
    return Take(found + end.size());
  }
  /// Reads that many bytes, fewer at the end of the connection.
  std::string Read(std::size_t count) {
    while (received_.size() < count) {
      if (!Receive()) break;
    }
    return Take(std::min(count, received_.size()));
  }
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::exchange(received_, {});
  }
  /// A response head, with its empty line.
  std::string ReadHead() { return ReadUntil("\r\n\r\n"); }

 private:
  std::string Take(std::size_t count) {
    std::string taken = received_.substr(0, count);
    received_.erase(0, count);
    return taken;
  }
  bool Receive() {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, 10'000) <= 0) return false;
    char bytes[16 * 1024];
    const ssize_t got = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_;
  bool connected_ = false;
  std::string received_;
};

}  // namespace dragonfly
