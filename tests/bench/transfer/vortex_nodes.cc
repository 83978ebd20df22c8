#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "dfdaemon/transfer/vortex_piece_fetcher.h"
#include "dfdaemon/transfer/vortex_server.h"
#include "dfdaemon/transfer/writer_sink.h"
#include "tests/bench/transfer/node.h"

namespace dragonfly::dfdaemon {
namespace {

template <class T>
T Wait(Runtime& runtime, Awaitable<T> work) {
  return asio::co_spawn(runtime.executor(), std::move(work), asio::use_future).get();
}

void RunParent(const Flags& flags, const std::string& dir, int port_out, int done) {
  const SystemClock clock;
  const auto storage = OpenStorage(dir, true, clock);
  RateLimiter unlimited(0);
  NullTransferMetrics metrics;
  Runtime data("data", flags.threads);
  BlockingPool disk(1);
  VortexServerOptions options;
  options.ip = "127.0.0.1";
  options.port = 0;
  VortexServer server(options, *storage, unlimited, metrics, Logger(), data, disk);
  if (auto s = server.Start(); !s.ok()) Die(s);
  const std::uint16_t port = server.port();
  if (::write(port_out, &port, sizeof(port)) != sizeof(port)) ::_exit(1);
  char byte = 0;
  (void)!::read(done, &byte, 1);
  Wait(data, server.Stop());
}

Awaitable<absl::Status> FetchPieces(PieceFetcher& fetcher, std::uint16_t port, StoredTask& task,
                                    std::atomic<PieceNumber>& next) {
  for (PieceNumber number = next++; number < task.piece_count(); number = next++) {
    auto claim = task.ClaimPiece(number);
    if (!claim.ok()) co_return claim.status();
    WriterSink sink(*claim->writer);
    auto piece =
        co_await fetcher.Fetch({"127.0.0.1", port}, TaskKind::kStandard, BenchTask(), sink);
    if (!piece.ok()) co_return piece.status();
    if (auto s = claim->writer->Commit({}, piece->crc32); !s.ok()) co_return s;
  }
  co_return absl::OkStatus();
}

void RunChild(const Flags& flags, const std::string& dir, std::uint16_t port, int seconds_out) {
  const SystemClock clock;
  const auto storage = OpenStorage(dir, false, clock);
  RateLimiter unlimited(0);
  NullTransferMetrics metrics;
  Runtime data("data", flags.threads);
  VortexFetcherOptions options;
  options.buffer_bytes = flags.buffer_kib * kKiB;
  options.low_water_bytes = flags.low_water_kib * kKiB;
  options.receive_buffer_bytes = flags.receive_buffer_kib * kKiB;
  VortexPieceFetcher fetcher(options, unlimited, metrics, data);
  const auto start = std::chrono::steady_clock::now();
  {
    const auto task = CreateTask(*storage, flags);
    std::atomic<PieceNumber> next{0};
    std::vector<std::future<absl::Status>> running;
    for (std::size_t i = 0; i < flags.concurrent; ++i) {
      running.push_back(
          asio::co_spawn(data.Next(), FetchPieces(fetcher, port, *task, next), asio::use_future));
    }
    for (auto& fetch : running) {
      if (auto s = fetch.get(); !s.ok()) Die(s);
    }
    if (!task->complete()) ::_exit(1);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double seconds = took.count();
  if (::write(seconds_out, &seconds, sizeof(seconds)) != sizeof(seconds)) ::_exit(1);
  Wait(data, fetcher.Stop());
}

}  // namespace

const Protocol kVortex{.parent = RunParent, .child = RunChild};

}  // namespace dragonfly::dfdaemon
