// An origin that makes its contents up. See README.md.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

struct Flags {
  std::string ip = "127.0.0.1";
  std::uint16_t port = 8080;
  double delay_ms = 0;
};

struct Totals {
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> body_bytes{0};
};

// Bytes repeat after a prime number of pages: no two pieces of a content are equal.
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPages = 1019;
constexpr std::uint64_t kPeriod = kPages * kPage;
constexpr std::size_t kHeadBytesMax = 64 * 1024;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

int MakeBlock() {
  const int file = ::memfd_create("content", MFD_CLOEXEC);
  if (file < 0) Die("memfd_create");
  std::vector<std::uint64_t> block(kPeriod / 8);
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (std::uint64_t& word : block) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    word = state;
  }
  if (::write(file, block.data(), kPeriod) != static_cast<ssize_t>(kPeriod)) Die("write content");
  return file;
}

struct Request {
  bool head = false;
  std::string_view path;
  std::optional<std::uint64_t> first;
  std::optional<std::uint64_t> last;
};

std::optional<std::uint64_t> Number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Only what the daemons and the benchmarks send: no folded lines, one range.
Request Parse(std::string_view head) {
  Request request;
  request.head = head.starts_with("HEAD ");
  const auto begin = head.find(' ') + 1;
  request.path = head.substr(begin, head.find(' ', begin) - begin);
  // As to a proxy: who compares a daemon with the origin asks both in the same way.
  if (request.path.starts_with("http://")) {
    request.path.remove_prefix(std::min(request.path.find('/', 7), request.path.size()));
  }
  for (const std::string_view name : {"\r\nRange: bytes=", "\r\nrange: bytes="}) {
    const auto at = head.find(name);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = head.substr(at + name.size());
    const std::string_view range = rest.substr(0, rest.find('\r'));
    const auto dash = range.find('-');
    if (dash == std::string_view::npos) continue;
    request.first = Number(range.substr(0, dash));
    request.last = Number(range.substr(dash + 1));
  }
  return request;
}

std::optional<std::uint64_t> SizeOf(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  const auto end = path.find('/', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return Number(path.substr(1, end - 1));
}

std::uint64_t ShiftOf(std::string_view path) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash % kPages * kPage;
}

class Connection {
 public:
  Connection(const Flags& flags, Totals& totals, int block, int socket)
      : flags_(flags), totals_(totals), block_(block), socket_(socket) {}
  ~Connection() { ::close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Run() {
    std::string in;
    while (true) {
      auto end = in.find("\r\n\r\n");
      while (end == std::string::npos) {
        char buffer[4096];
        const ssize_t got = ::recv(socket_, buffer, sizeof(buffer), 0);
        if (got <= 0 || in.size() > kHeadBytesMax) return;
        in.append(buffer, static_cast<std::size_t>(got));
        end = in.find("\r\n\r\n");
      }
      if (!Answer(Parse(std::string_view(in).substr(0, end + 2)))) return;
      in.erase(0, end + 4);
    }
  }

 private:
  bool Answer(const Request& request) {
    if (request.path == "/stats") {
      const std::string body = StrCat("{\"requests\":", totals_.requests.load(),
                                      ",\"body_bytes\":", totals_.body_bytes.load(), "}\n");
      return Send(StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body), 0);
    }
    if (flags_.delay_ms > 0) {
      const timespec delay{.tv_sec = 0, .tv_nsec = static_cast<long>(flags_.delay_ms * 1e6)};
      ::ppoll(nullptr, 0, &delay, nullptr);
    }
    ++totals_.requests;
    const auto size = SizeOf(request.path);
    if (!size) return Send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0);
    std::uint64_t first = 0;
    std::uint64_t length = *size;
    std::string head = "HTTP/1.1 200 OK\r\n";
    if (request.first && *request.first < *size) {
      first = *request.first;
      const std::uint64_t last = std::min(request.last.value_or(*size - 1), *size - 1);
      length = last + 1 - first;
      head = StrCat("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ", first, "-", last, "/",
                    *size, "\r\n");
    }
    head += StrCat("Content-Length: ", length,
                   "\r\nAccept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\n\r\n");
    const bool body = !request.head && length > 0;
    if (!Send(head, body ? MSG_MORE : 0)) return false;
    return !body || SendBody(ShiftOf(request.path) + first, length);
  }

  bool Send(std::string_view bytes, int flags) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), flags | MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  bool SendBody(std::uint64_t at, std::uint64_t rest) {
    while (rest > 0) {
      auto offset = static_cast<off_t>(at % kPeriod);
      const std::uint64_t chunk = std::min(rest, kPeriod - static_cast<std::uint64_t>(offset));
      const ssize_t sent = ::sendfile(socket_, block_, &offset, chunk);
      if (sent <= 0) return false;
      at += static_cast<std::uint64_t>(sent);
      rest -= static_cast<std::uint64_t>(sent);
      totals_.body_bytes += static_cast<std::uint64_t>(sent);
    }
    return true;
  }

  const Flags& flags_;
  Totals& totals_;
  const int block_;
  const int socket_;
};

// Serves until a signal ends the process, a thread for each connection.
int Main(const Flags& flags) {
  std::signal(SIGPIPE, SIG_IGN);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(flags.port);
  if (::inet_pton(AF_INET, flags.ip.c_str(), &address.sin_addr) != 1) Die("no address");
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) Die("bind");
  if (::listen(listener, 1024) != 0) Die("listen");
  const int block = MakeBlock();
  Totals totals;
  std::vector<std::thread> threads;
  while (true) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) Die("accept");
    threads.emplace_back(
        [&flags, &totals, block, socket] { Connection(flags, totals, block, socket).Run(); });
  }
}

}  // namespace
}  // namespace dragonfly

int main(int argc, char** argv) {
  dragonfly::Flags flags;
  CLI::App app("an origin whose contents are made up: /SIZE/ANYTHING");
  app.add_option("--ip", flags.ip, "address to listen on");
  app.add_option("--port", flags.port, "port to listen on");
  app.add_option("--delay-ms", flags.delay_ms, "milliseconds before an answer")
      ->check(CLI::Range(0.0, 999.0));
  CLI11_PARSE(app, argc, argv);
  return dragonfly::Main(flags);
}
