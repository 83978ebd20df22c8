#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"

namespace dragonfly::dfdaemon {

/// One end of a connection, for callers that do their own non-blocking system calls on fd() and
/// come here when they have to wait. Runs on: the socket's executor.
///
/// There is one deadline for all waits. Moving it costs a store as long as it moves forward, so
/// that a connection that is never late needs no timer of the kernel per piece.
class TcpStream {
 public:
  using Socket = asio::ip::tcp::socket;

  /// `socket` is open.
  explicit TcpStream(Socket socket);
  ~TcpStream();
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  [[nodiscard]] int fd() { return socket_.native_handle(); }
  [[nodiscard]] Socket& socket() { return socket_; }

  void ExpireAt(SteadyTime deadline);
  [[nodiscard]] bool expired() const;
  /// The other side broke the connection. That it has closed its side only means that it sends
  /// nothing more.
  [[nodiscard]] bool broken();

  /// DeadlineExceeded when the deadline passes, Cancelled when the coroutine is cancelled,
  /// Unavailable for an error of the socket. (A peer that closed counts as readable.)
  Awaitable<absl::Status> WaitReadable() { return Wait(Socket::wait_read); }
  Awaitable<absl::Status> WaitWritable() { return Wait(Socket::wait_write); }

  Awaitable<absl::Status> Connect(asio::ip::tcp::endpoint endpoint);
  /// `flags` of send(2), MSG_NOSIGNAL is added. Errors as of the waits.
  Awaitable<absl::Status> SendAll(std::span<const std::byte> bytes, int flags);

 private:
  struct Watch;

  Awaitable<absl::Status> Wait(Socket::wait_type what);
  absl::Status StatusOf(const boost::system::error_code& error) const;

  Socket socket_;
  const std::shared_ptr<Watch> watch_;
};

/// Unavailable "<what>: <text of errno value>".
absl::Status SocketError(int error, std::string_view what);

struct TcpTuning {
  std::size_t send_buffer_bytes = 0;     ///< 0: the kernel adapts it.
  std::size_t receive_buffer_bytes = 0;  ///< 0: the kernel adapts it.
};

/// TCP_NODELAY, keepalive as the original's (first probe after 5 s, every 3 s, 3 times), buffers.
/// On a listening socket the accepted ones inherit it. Failures are ignored: all of it is optional.
void Tune(int fd, const TcpTuning& tuning);

}  // namespace dragonfly::dfdaemon
