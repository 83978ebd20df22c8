#include "common/http/server.h"

#include <atomic>
#include <unordered_set>
#include <utility>

#include <boost/asio/ip/tcp.hpp>

#include "common/async/notifier.h"
#include "common/async/run_on.h"
#include "common/async/runtime.h"
#include "common/async/sleep.h"
#include "common/async/task_group.h"
#include "common/async/with_timeout.h"
#include "common/base/strings.h"
#include "common/http/server_connection.h"
#include "common/http/tcp_stream.h"

namespace dragonfly {
namespace {

using asio::ip::tcp;

// Nothing tells when the process may open files again, so accepting is tried anew after a while.
constexpr std::chrono::milliseconds kAcceptRetryDelay{100};

class HttpServerImpl final : public HttpServer {
 public:
  HttpServerImpl(HttpServerOptions options, std::vector<asio::any_io_executor> executors,
                 HttpHandler handler)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        acceptor_(executors.front()),
        room_(executors.front()),
        accepting_(executors.front()) {
    for (const auto& executor : executors) lanes_.push_back(std::make_unique<Lane>(executor));
  }

  absl::Status Open() {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options_.ip, error);
    if (error) return absl::InvalidArgumentError(StrCat("listen address ", options_.ip));
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(4096, error);
    if (error) {
      return absl::UnavailableError(
          StrCat("listen at ", options_.ip, " port ", options_.port, ": ", error.message()));
    }
    port_ = acceptor_.local_endpoint(error).port();
    accepting_.Spawn(Accept());
    return absl::OkStatus();
  }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] std::size_t connections() const override { return connections_; }

  Awaitable<> Stop(std::chrono::milliseconds grace) override {
    co_await accepting_.Stop();
    co_await RunOn(accepting_.executor(), CloseAcceptor());
    for (const auto& lane : lanes_) {
      co_await RunOn(lane->group.executor(), CloseIdle(*lane));
    }
    // Late or not: what still runs is cancelled next.
    const absl::Status drained = co_await WithTimeout(DrainAll(), grace, "drain");
    (void)drained;
    for (const auto& lane : lanes_) co_await lane->group.Stop();
  }

 private:
  // The connections of one executor.
  struct Lane {
    explicit Lane(const asio::any_io_executor& executor) : group(executor) {}
    std::unordered_set<HttpConnection*> connections;
    bool closing = false;
    TaskGroup group;
  };

  Awaitable<> Accept() {
    for (std::size_t turn = 0;; ++turn) {
      while (connections_ >= options_.connections_max) {
        const auto seen = room_.version();
        if (connections_ < options_.connections_max) break;
        co_await room_.WaitPast(seen);
      }
      Lane& lane = *lanes_[turn % lanes_.size()];
      auto [error, socket] = co_await acceptor_.async_accept(lane.group.executor(), kAwait);
      if (error) {
        co_await SleepFor(kAcceptRetryDelay);
        continue;
      }
      ++connections_;
      lane.group.Spawn(Serve(lane, std::move(socket)));
    }
  }

  Awaitable<> Serve(Lane& lane, tcp::socket socket) {
    // Declared first, so that it runs also when a coroutine is cancelled.
    struct Leave {
      HttpServerImpl& server;
      ~Leave() {
        if (server.connections_.fetch_sub(1) == server.options_.connections_max) {
          server.room_.NotifyFromAnyThread();
        }
      }
    };
    const Leave leave{*this};
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error || lane.closing) co_return;
    auto address = remote.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    }
    HttpConnection connection(lane.group.executor(), std::make_unique<TcpStream>(std::move(socket)),
                              {address.to_string(), remote.port()}, options_.limits, handler_);
    struct Listed {
      Lane& lane;
      HttpConnection* connection;
      Listed(Lane& l, HttpConnection* c) : lane(l), connection(c) { lane.connections.insert(c); }
      ~Listed() { lane.connections.erase(connection); }
    };
    const Listed listed(lane, &connection);
    co_await connection.Run(options_.tls);
  }

  Awaitable<> CloseAcceptor() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    co_return;
  }

  static Awaitable<> CloseIdle(Lane& lane) {
    lane.closing = true;
    for (HttpConnection* connection : lane.connections) connection->CloseWhenIdle();
    co_return;
  }

  Awaitable<absl::Status> DrainAll() {
    for (const auto& lane : lanes_) co_await lane->group.Drain();
    co_return absl::OkStatus();
  }

  const HttpServerOptions options_;
  const HttpHandler handler_;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_{0};

  // On the first executor.
  tcp::acceptor acceptor_;
  Notifier room_;

  std::vector<std::unique_ptr<Lane>> lanes_;
  TaskGroup accepting_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Listen(
    HttpServerOptions options, std::vector<asio::any_io_executor> executors, HttpHandler handler) {
  if (executors.empty()) return absl::InvalidArgumentError("HTTP server: no executor");
  auto server = std::make_unique<HttpServerImpl>(std::move(options), std::move(executors),
                                                 std::move(handler));
  absl::Status opened = server->Open();
  if (!opened.ok()) return opened;
  return server;
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Listen(HttpServerOptions options,
                                                               Runtime& runtime,
                                                               HttpHandler handler) {
  std::vector<asio::any_io_executor> executors;
  for (std::size_t i = 0; i < runtime.size(); ++i) executors.push_back(runtime.executor(i));
  return Listen(std::move(options), std::move(executors), std::move(handler));
}

std::string_view HttpRequest::Path() const {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view HttpRequest::Query() const {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

Awaitable<absl::StatusOr<std::string>> HttpRequest::ReadWholeBody(std::size_t bytes_max) {
  std::string body;
  std::vector<std::byte> part(16 * 1024);
  while (true) {
    const auto got = co_await ReadBody(part);
    if (!got.ok()) co_return got.status();
    if (*got == 0) co_return body;
    if (*got > bytes_max - body.size()) {
      co_return absl::ResourceExhaustedError("request body is too large");
    }
    body.append(reinterpret_cast<const char*>(part.data()), *got);
  }
}

HttpResponse HttpResponse::Text(int status, std::string body) {
  return {status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::move(body)};
}

HttpResponse HttpResponse::Json(int status, std::string body) {
  return {status, {{"Content-Type", "application/json; charset=utf-8"}}, std::move(body)};
}

}  // namespace dragonfly
