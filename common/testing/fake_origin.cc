#include "common/testing/fake_origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <mutex>
#include <thread>

namespace dragonfly {
namespace {

// Blocking sockets and threads on purpose: nothing of this is what the tests are about.

constexpr std::size_t kMaxRequestBytes = 64 * 1024 * 1024;
constexpr std::size_t kBodyBlock = 64 * 1024;

bool SameName(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::optional<std::uint64_t> Number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// One connection's bytes.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}

  bool Fill() {
    char block[16 * 1024];
    const ssize_t count = ::recv(fd_, block, sizeof(block), 0);
    if (count <= 0 || buffer_.size() > kMaxRequestBytes) return false;
    buffer_.append(block, static_cast<std::size_t>(count));
    return true;
  }
  std::optional<std::string> Line() {
    std::size_t end;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!Fill()) return std::nullopt;
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return line;
  }
  std::optional<std::string> Bytes(std::size_t count) {
    while (buffer_.size() < count) {
      if (!Fill()) return std::nullopt;
    }
    std::string bytes = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return bytes;
  }
  bool Send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

 private:
  const int fd_;
  std::string buffer_;
};

std::optional<std::string> ReadChunked(Socket& socket) {
  std::string body;
  while (true) {
    const auto line = socket.Line();
    if (!line) return std::nullopt;
    const auto size = Number(std::string_view(*line).substr(0, line->find(';')), 16);
    if (!size) return std::nullopt;
    if (*size == 0) break;
    const auto bytes = socket.Bytes(*size);
    if (!bytes || !socket.Line()) return std::nullopt;
    body += *bytes;
  }
  while (true) {
    const auto trailer = socket.Line();
    if (!trailer) return std::nullopt;
    if (trailer->empty()) return body;
  }
}

std::optional<OriginRequest> ReadRequest(Socket& socket) {
  const auto line = socket.Line();
  if (!line) return std::nullopt;
  OriginRequest request;
  const auto first = line->find(' ');
  const auto second = line->rfind(' ');
  if (first == std::string::npos || second <= first) return std::nullopt;
  request.method = line->substr(0, first);
  request.target = line->substr(first + 1, second - first - 1);
  while (true) {
    const auto field = socket.Line();
    if (!field) return std::nullopt;
    if (field->empty()) break;
    const auto colon = field->find(':');
    if (colon == std::string::npos) return std::nullopt;
    const auto value = std::min(field->find_first_not_of(' ', colon + 1), field->size());
    request.headers.emplace_back(field->substr(0, colon), field->substr(value));
  }
  if (request.Header("Expect")) socket.Send("HTTP/1.1 100 Continue\r\n\r\n");
  std::optional<std::string> body = std::string();
  if (request.Header("Transfer-Encoding")) {
    body = ReadChunked(socket);
  } else if (const auto length = request.Header("Content-Length")) {
    body = socket.Bytes(Number(*length).value_or(0));
  }
  if (!body) return std::nullopt;
  request.body = *std::move(body);
  return request;
}

}  // namespace

std::optional<std::string> OriginRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (SameName(key, name)) return value;
  }
  return std::nullopt;
}

class FakeOrigin::Impl {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, sizeof(address)) != 0 || ::listen(listener_, 128) != 0 ||
        ::getsockname(listener_, generic, &length) != 0) {
      std::perror("fake origin");
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    stopped_.notify_all();
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::vector<OriginRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::uint64_t connections() const {
    const std::lock_guard lock(mutex_);
    return connections_;
  }

 private:
  void Accept() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      const std::lock_guard lock(mutex_);
      if (stopping_ || fd < 0) {
        if (fd >= 0) ::close(fd);
        return;
      }
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      open_.push_back(fd);
      threads_.emplace_back([this, fd, number = ++connections_] { Serve(fd, number); });
    }
  }

  void Serve(int fd, std::uint64_t number) {
    Socket socket(fd);
    while (auto request = ReadRequest(socket)) {
      request->connection = number;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(*request);
      }
      const OriginReply reply = handler_(*request);
      if (!Answer(socket, reply, request->method == "HEAD")) break;
    }
    const std::lock_guard lock(mutex_);
    open_.remove(fd);
    ::close(fd);
  }

  // False when the wait was cut short because the origin stops.
  bool Wait(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return !stopped_.wait_for(lock, time, [this] { return stopping_; });
  }

  // False when the connection must close.
  bool Answer(const Socket& socket, const OriginReply& reply, bool head_only) {
    if (reply.delay_head.count() > 0 && !Wait(reply.delay_head)) return false;
    if (reply.raw) {
      socket.Send(*reply.raw);
      return false;
    }
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " " + reply.reason + "\r\n";
    for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
    using Framing = OriginReply::Framing;
    if (reply.framing == Framing::kChunked) {
      head += "Transfer-Encoding: chunked\r\n";
    } else if (reply.framing == Framing::kContentLength) {
      head += "Content-Length: " +
              std::to_string(reply.claimed_length.value_or(reply.body.size())) + "\r\n";
    } else {
      head += "Connection: close\r\n";
    }
    if (reply.close_after && *reply.close_after < 0) {
      socket.Send(head.substr(0, head.size() / 2));
      return false;
    }
    if (!socket.Send(head + "\r\n")) return false;
    if (head_only) return true;
    std::string_view body = reply.body;
    if (reply.close_after) body = body.substr(0, static_cast<std::size_t>(*reply.close_after));
    if (!SendBody(socket, reply, body)) return false;
    return !reply.close_after && reply.framing != Framing::kUntilClose &&
           reply.claimed_length.value_or(reply.body.size()) == reply.body.size();
  }

  bool SendBody(const Socket& socket, const OriginReply& reply, std::string_view body) {
    const bool chunked = reply.framing == OriginReply::Framing::kChunked;
    while (!body.empty()) {
      const std::string_view block = body.substr(0, kBodyBlock);
      body.remove_prefix(block.size());
      if (reply.delay_body.count() > 0 && !Wait(reply.delay_body)) return false;
      char size[32];
      std::snprintf(size, sizeof(size), "%zx\r\n", block.size());
      if (chunked && !socket.Send(size)) return false;
      if (!socket.Send(block) || (chunked && !socket.Send("\r\n"))) return false;
    }
    return !chunked || reply.close_after || socket.Send("0\r\n\r\n");
  }

  const Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::list<int> open_;
  std::uint64_t connections_ = 0;
  std::vector<OriginRequest> requests_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

FakeOrigin::FakeOrigin(Handler handler) : impl_(std::make_unique<Impl>(std::move(handler))) {}
FakeOrigin::~FakeOrigin() = default;

std::uint16_t FakeOrigin::port() const { return impl_->port(); }
std::string FakeOrigin::Url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port()) + std::string(path);
}
std::vector<OriginRequest> FakeOrigin::requests() const { return impl_->requests(); }
std::size_t FakeOrigin::request_count() const { return impl_->requests().size(); }
std::uint64_t FakeOrigin::connections() const { return impl_->connections(); }

OriginReply FakeOrigin::Serve(const OriginRequest& request, std::string_view content) {
  OriginReply reply;
  const auto range = request.Header("Range");
  if (!range || !range->starts_with("bytes=")) {
    reply.body = content;
    return reply;
  }
  const std::string_view spec = std::string_view(*range).substr(6);
  const auto dash = spec.find('-');
  const auto first = Number(spec.substr(0, dash));
  const auto last = Number(spec.substr(dash + 1)).value_or(content.size() - 1);
  const std::string total = std::to_string(content.size());
  if (!first || *first >= content.size()) {
    reply = Status(416, "Range Not Satisfiable");
    reply.headers.emplace_back("Content-Range", "bytes */" + total);
    return reply;
  }
  const std::uint64_t end = std::min<std::uint64_t>(last + 1, content.size());
  reply.status = 206;
  reply.reason = "Partial Content";
  reply.body = content.substr(*first, end - *first);
  reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(*first) + "-" +
                                                  std::to_string(end - 1) + "/" + total);
  return reply;
}

OriginReply FakeOrigin::Status(int status, std::string reason, std::string body) {
  OriginReply reply;
  reply.status = status;
  reply.reason = std::move(reason);
  reply.body = std::move(body);
  return reply;
}

OriginReply FakeOrigin::Redirect(int status, std::string location) {
  OriginReply reply = Status(status, "Redirect");
  reply.headers.emplace_back("Location", std::move(location));
  return reply;
}

}  // namespace dragonfly
