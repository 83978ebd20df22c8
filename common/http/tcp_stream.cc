#include "common/http/tcp_stream.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/base/strings.h"

namespace dragonfly {
namespace {

// After this many bytes without waiting, the other connections of the executor get their turn.
constexpr std::uint64_t kBurstBytes = 4 * 1024 * 1024;

absl::Status Gone(int error) {
  return absl::CancelledError(StrCat("connection: ", std::strerror(error)));
}

}  // namespace

TcpStream::TcpStream(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
}

Awaitable<absl::StatusOr<std::size_t>> TcpStream::ReadSome(std::span<std::byte> out) {
  while (socket_.is_open()) {
    const ssize_t got = ::recv(socket_.native_handle(), out.data(), out.size(), 0);
    if (got >= 0) {
      progress_ += static_cast<std::uint64_t>(got);
      co_return static_cast<std::size_t>(got);
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return Gone(errno);
    auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
    if (error) break;
  }
  co_return absl::CancelledError("connection: closed here");
}

Awaitable<absl::Status> TcpStream::WaitWritable() {
  if (!socket_.is_open()) co_return absl::CancelledError("connection: closed here");
  auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_write, kAwait);
  if (error) co_return absl::CancelledError("connection: closed here");
  co_return absl::OkStatus();
}

Awaitable<absl::Status> TcpStream::Write(std::span<const std::byte> bytes, Push push) {
  const int flags = MSG_NOSIGNAL | (push == Push::kMoreFollows ? MSG_MORE : 0);
  while (!bytes.empty()) {
    if (!socket_.is_open()) co_return absl::CancelledError("connection: closed here");
    const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), flags);
    if (sent >= 0) {
      progress_ += static_cast<std::uint64_t>(sent);
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return Gone(errno);
    absl::Status ready = co_await WaitWritable();
    if (!ready.ok()) co_return ready;
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> TcpStream::WriteFile(int fd, std::uint64_t offset, std::uint64_t length,
                                             Push) {
  auto position = static_cast<off_t>(offset);
  std::uint64_t burst = 0;
  while (length > 0) {
    if (!socket_.is_open()) co_return absl::CancelledError("connection: closed here");
    const ssize_t sent = ::sendfile(socket_.native_handle(), fd, &position,
                                    static_cast<std::size_t>(std::min(length, kBurstBytes)));
    if (sent > 0) {
      const auto count = static_cast<std::uint64_t>(sent);
      progress_ += count;
      length -= count;
      burst += count;
      if (burst >= kBurstBytes && length > 0) {
        burst = 0;
        co_await asio::post(socket_.get_executor(), asio::use_awaitable);
      }
      continue;
    }
    if (sent == 0) co_return absl::DataLossError("send file: the file ended early");
    if (errno == EINTR) continue;
    if (errno == EIO) co_return absl::DataLossError("send file: read error");
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return Gone(errno);
    burst = 0;
    absl::Status ready = co_await WaitWritable();
    if (!ready.ok()) co_return ready;
  }
  co_return absl::OkStatus();
}

Awaitable<> TcpStream::WaitClosed() {
  while (socket_.is_open()) {
    char byte = 0;
    const ssize_t got = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0) co_return;
    if (got > 0) {
      // What waits here is the next request. The end behind it cannot be seen without reading.
      asio::steady_timer never(socket_.get_executor(), asio::steady_timer::time_point::max());
      co_await never.async_wait(asio::use_awaitable);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) co_return;
    auto [error] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kAwait);
    if (error) co_return;
  }
}

Awaitable<> TcpStream::ShutdownWrite() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  co_return;
}

void TcpStream::Cancel() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void TcpStream::Abort() {
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

Awaitable<absl::StatusOr<std::size_t>> PrefixedStream::ReadSome(std::span<std::byte> out) {
  if (prefix_.empty()) co_return co_await inner_->ReadSome(out);
  const std::size_t count = std::min(out.size(), prefix_.size());
  std::memcpy(out.data(), prefix_.data(), count);
  prefix_.erase(0, count);
  co_return count;
}

}  // namespace dragonfly
