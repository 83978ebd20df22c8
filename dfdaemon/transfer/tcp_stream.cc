#include "dfdaemon/transfer/tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

void SetInt(int fd, int level, int name, int value) {
  (void)::setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

// Outlives the stream by at most one pending handler of the timer.
struct TcpStream::Watch : std::enable_shared_from_this<Watch> {
  Watch(Socket& owner, asio::any_io_executor executor)
      : socket(&owner), timer(std::move(executor)) {}

  void Arm() {
    armed = true;
    armed_for = deadline;
    timer.expires_at(deadline);  // Ends a wait that is under way.
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->Look();
    });
  }

  void Look() {
    if (socket == nullptr) return;
    if (std::chrono::steady_clock::now() < deadline) return Arm();
    armed = false;
    expired = true;
    boost::system::error_code ignored;
    (void)socket->cancel(ignored);
  }

  Socket* socket;  // Null once the stream is gone.
  asio::steady_timer timer;
  SteadyTime deadline = SteadyTime::max();
  SteadyTime armed_for = SteadyTime::max();
  bool armed = false;
  bool expired = false;
};

TcpStream::TcpStream(Socket socket)
    : socket_(std::move(socket)), watch_(std::make_shared<Watch>(socket_, socket_.get_executor())) {
  boost::system::error_code ignored;
  (void)socket_.native_non_blocking(true, ignored);
}

TcpStream::~TcpStream() {
  watch_->socket = nullptr;
  watch_->timer.cancel();
}

void TcpStream::ExpireAt(SteadyTime deadline) {
  watch_->deadline = deadline;
  watch_->expired = false;
  if (!watch_->armed || deadline < watch_->armed_for) watch_->Arm();
}

bool TcpStream::expired() const { return watch_->expired; }

bool TcpStream::broken() {
  // Not what recv(2) says: after a FIN it hides the reset that came later.
  pollfd state{.fd = fd(), .events = 0, .revents = 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

absl::Status TcpStream::StatusOf(const boost::system::error_code& error) const {
  if (watch_->expired) return absl::DeadlineExceededError("timed out");
  if (!error) return absl::OkStatus();
  if (error == asio::error::operation_aborted) return absl::CancelledError("cancelled");
  return absl::UnavailableError(error.message());
}

Awaitable<absl::Status> TcpStream::Wait(Socket::wait_type what) {
  if (watch_->expired) co_return absl::DeadlineExceededError("timed out");
  auto [error] = co_await socket_.async_wait(what, kAwait);
  co_return StatusOf(error);
}

Awaitable<absl::Status> TcpStream::Connect(asio::ip::tcp::endpoint endpoint) {
  auto [error] = co_await socket_.async_connect(endpoint, kAwait);
  CO_RETURN_IF_ERROR(StatusOf(error));
  // Whoever waited for writing once is told of every bit of room from then on, and connecting is
  // such a wait: as a new one the socket wakes nobody for nothing while it receives.
  boost::system::error_code failed;
  const int fd = socket_.release(failed);
  if (!failed) (void)socket_.assign(endpoint.protocol(), fd, failed);
  if (failed) co_return absl::UnavailableError(failed.message());
  (void)socket_.native_non_blocking(true, failed);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> TcpStream::SendAll(std::span<const std::byte> bytes, int flags) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EINPROGRESS) {  // The latter with fast open.
      CO_RETURN_IF_ERROR(co_await WaitWritable());
    } else if (errno != EINTR) {
      co_return SocketError(errno, "send");
    }
  }
  co_return absl::OkStatus();
}

absl::Status SocketError(int error, std::string_view what) {
  return absl::UnavailableError(StrCat(what, ": ", std::system_category().message(error)));
}

void Tune(int fd, const TcpTuning& tuning) {
  SetInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPINTVL, 3);
  SetInt(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  if (tuning.send_buffer_bytes > 0) {
    SetInt(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(tuning.send_buffer_bytes));
  }
  if (tuning.receive_buffer_bytes > 0) {
    SetInt(fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(tuning.receive_buffer_bytes));
  }
}

}  // namespace dragonfly::dfdaemon
