// A client of a proxy or an origin that asks for many contents. See README.md.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/base/strings.h"
#include "common/base/types.h"

namespace dragonfly {
namespace {

using Time = std::chrono::steady_clock::time_point;

struct Flags {
  std::string to;
  std::string url;
  std::uint64_t first = 0;
  std::uint64_t count = 1;
  unsigned connections = 1;
  double per_second = 0;
  bool same = false;
  bool print_times = false;
};

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

sockaddr_in Address(const std::string& text) {
  const auto colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  int port = 0;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1 ||
      std::from_chars(text.data() + colon + 1, text.data() + text.size(), port).ec != std::errc()) {
    Die("--to is an IPv4 address and a port");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

struct Connection {
  int fd = -1;
  Time asked;
  std::string head;                   // Until it is whole.
  std::optional<std::uint64_t> rest;  // Of the body.
};

class Run {
 public:
  explicit Run(const Flags& flags) : flags_(flags), buffer_(kMiB) {
    const auto slashes = flags_.url.find("//");
    const auto path = flags_.url.find('/', slashes + 2);
    if (slashes == std::string::npos || path == std::string::npos) Die("--url is no URL");
    host_ = flags_.url.substr(slashes + 2, path - slashes - 2);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    const sockaddr_in address = Address(flags_.to);
    for (unsigned i = 0; i < flags_.connections; ++i) Connect(address);
  }

  void Go() {
    const Time start = Now();
    next_at_ = start;
    for (auto& connection : connections_) idle_.push_back(connection.get());
    while (done_ < flags_.count) {
      int wait_ms = -1;
      while (!idle_.empty() && asked_ < flags_.count) {
        if (flags_.per_second > 0 && Now() < next_at_) {
          const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next_at_ - Now()).count();
          wait_ms = static_cast<int>(wait);
          break;
        }
        next_at_ += Interval();
        Connection* connection = idle_.front();
        idle_.pop_front();
        Ask(*connection);
      }
      epoll_event events[64];
      const int count = ::epoll_wait(epoll_, events, 64, wait_ms);
      for (int i = 0; i < count; ++i) Read(*static_cast<Connection*>(events[i].data.ptr));
    }
    seconds_ = std::chrono::duration<double>(Now() - start).count();
  }

  void Print() {
    if (flags_.print_times) {
      std::printf("[");
      for (std::size_t i = 0; i < times_.size(); ++i) {
        std::printf("%s%.6f", i == 0 ? "" : ",", times_[i]);
      }
      std::printf("]\n");
    }
    std::sort(times_.begin(), times_.end());
    const auto at = [this](double share) {
      const auto index = static_cast<std::size_t>(share * static_cast<double>(times_.size()));
      return times_[std::min(index, times_.size() - 1)] * 1e3;
    };
    std::printf(
        "{\"bench\":\"client\",\"count\":%llu,\"connections\":%u,\"bytes\":%llu,"
        "\"seconds\":%.4f,\"per_second\":%.1f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
        static_cast<unsigned long long>(done_), flags_.connections,
        static_cast<unsigned long long>(bytes_), seconds_, static_cast<double>(done_) / seconds_,
        at(0.5), at(0.99));
  }

 private:
  static Time Now() { return std::chrono::steady_clock::now(); }

  [[nodiscard]] Time::duration Interval() const {
    if (flags_.per_second <= 0) return {};
    return std::chrono::duration_cast<Time::duration>(
        std::chrono::duration<double>(1 / flags_.per_second));
  }

  void Connect(const sockaddr_in& address) {
    auto connection = std::make_unique<Connection>();
    connection->fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(connection->fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
        0) {
      Die(StrCat("cannot connect to ", flags_.to));
    }
    epoll_event event{.events = EPOLLIN, .data = {.ptr = connection.get()}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event);
    connections_.push_back(std::move(connection));
  }

  void Ask(Connection& connection) {
    const std::uint64_t number = flags_.first + (flags_.same ? 0 : asked_);
    ++asked_;
    const std::string request = StrCat("GET ", flags_.url, number, " HTTP/1.1\r\nHost: ", host_,
                                       "\r\nUser-Agent: bench_client\r\n\r\n");
    connection.asked = Now();
    // Blocking and short: it fits into the socket's buffer.
    if (::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      Die("send failed");
    }
  }

  void Read(Connection& connection) {
    while (true) {
      const ssize_t got = ::recv(connection.fd, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) Die("the other side closed a connection");
      std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
      if (!connection.rest) {
        connection.head += bytes;
        const auto end = connection.head.find("\r\n\r\n");
        if (end == std::string::npos) continue;
        connection.rest = BodyLength(std::string_view(connection.head).substr(0, end + 2));
        bytes = bytes.substr(bytes.size() - (connection.head.size() - end - 4));
      }
      if (bytes.size() > *connection.rest) Die("more bytes than the answer's length");
      *connection.rest -= bytes.size();
      bytes_ += bytes.size();
      if (*connection.rest == 0) {
        times_.push_back(std::chrono::duration<double>(Now() - connection.asked).count());
        connection.rest.reset();
        connection.head.clear();
        ++done_;
        idle_.push_back(&connection);
        return;
      }
    }
  }

  static std::uint64_t BodyLength(std::string_view head) {
    if (!head.starts_with("HTTP/1.1 200 ")) Die(StrCat("not what was asked for: ", head));
    for (const std::string_view name : {"\r\nContent-Length: ", "\r\ncontent-length: "}) {
      const auto at = head.find(name);
      if (at == std::string_view::npos) continue;
      const std::string_view text = head.substr(at + name.size());
      std::uint64_t length = 0;
      std::from_chars(text.data(), text.data() + text.size(), length);
      return length;
    }
    Die("an answer without a length");
  }

  const Flags& flags_;
  std::string host_;
  int epoll_ = -1;
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> idle_;  // In turn: the other side may close one that is never used.
  std::vector<double> times_;
  std::uint64_t asked_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t bytes_ = 0;
  double seconds_ = 0;
  Time next_at_;
};

}  // namespace
}  // namespace dragonfly

int main(int argc, char** argv) {
  dragonfly::Flags flags;
  CLI::App app("asks for many contents over keep-alive connections");
  app.add_option("--to", flags.to, "proxy or origin, IP:PORT")->required();
  app.add_option("--url", flags.url, "the number of the content is appended")->required();
  app.add_option("--first", flags.first, "first number");
  app.add_option("--count", flags.count, "answers to wait for")->check(CLI::Range(1U, 1U << 30U));
  app.add_option("--connections", flags.connections, "at the same time")
      ->check(CLI::Range(1U, 4096U));
  app.add_option("--per-second", flags.per_second, "requests per second at most; 0: no limit");
  app.add_flag("--same", flags.same, "always the first number");
  app.add_flag("--print-times", flags.print_times, "seconds of every answer, as a JSON list");
  CLI11_PARSE(app, argc, argv);
  dragonfly::Run run(flags);
  run.Go();
  run.Print();
  return 0;
}
