#include "common/http/stream.h"

#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "common/async/sleep.h"
#include "common/async/with_timeout.h"
#include "common/base/strings.h"
#include "common/http/tcp_stream.h"

namespace dragonfly {
namespace {

using Connected = absl::StatusOr<std::unique_ptr<HttpStream>>;

Awaitable<Connected> ResolveAndConnect(std::string host, std::uint16_t port) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  auto [resolve_error, addresses] = co_await resolver.async_resolve(
      host, std::to_string(port), asio::ip::tcp::resolver::numeric_service, kAwait);
  if (resolve_error) {
    co_return absl::UnavailableError(StrCat("resolve ", host, ": ", resolve_error.message()));
  }
  asio::ip::tcp::socket socket(executor);
  auto [error, endpoint] = co_await asio::async_connect(socket, addresses, kAwait);
  (void)endpoint;
  if (error) co_return absl::UnavailableError(StrCat("connect ", host, ": ", error.message()));
  std::unique_ptr<HttpStream> stream = std::make_unique<TcpStream>(std::move(socket));
  co_return stream;
}

Awaitable<> Copy(HttpStream& from, HttpStream& to) {
  std::vector<std::byte> buffer(64 * 1024);
  while (true) {
    const auto got = co_await from.ReadSome(buffer);
    if (!got.ok()) break;
    if (*got == 0) {
      co_await to.ShutdownWrite();
      co_return;
    }
    const absl::Status written =
        co_await to.Write(std::span(buffer).first(*got), HttpStream::Push::kNow);
    if (!written.ok()) break;
  }
  from.Cancel();
  to.Cancel();
}

Awaitable<> CopyBothWays(HttpStream& a, HttpStream& b) {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::experimental::make_parallel_group(
      asio::co_spawn(executor, Copy(a, b), asio::deferred),
      asio::co_spawn(executor, Copy(b, a), asio::deferred))
      .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
}

Awaitable<> UntilNothingMoves(HttpStream& a, HttpStream& b, std::chrono::milliseconds idle) {
  while (true) {
    const std::uint64_t before = a.progress() + b.progress();
    co_await SleepFor(idle);
    if (a.progress() + b.progress() == before) co_return;
  }
}

}  // namespace

Awaitable<Connected> ConnectTcp(std::string host, std::uint16_t port,
                                std::chrono::milliseconds timeout) {
  co_return co_await WithTimeout(ResolveAndConnect(std::move(host), port), timeout, "connect");
}

Awaitable<> JoinStreams(HttpStream& a, HttpStream& b, std::chrono::milliseconds idle) {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::experimental::make_parallel_group(
      asio::co_spawn(executor, CopyBothWays(a, b), asio::deferred),
      asio::co_spawn(executor, UntilNothingMoves(a, b, idle), asio::deferred))
      .async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  a.Cancel();
  b.Cancel();
}

}  // namespace dragonfly
