// Two nodes' storage and transfer without the rest of the daemon. See README.md.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "CLI/CLI.hpp"
#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "common/base/types.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/transfer/vortex_piece_fetcher.h"
#include "dfdaemon/transfer/vortex_server.h"
#include "dfdaemon/transfer/writer_sink.h"

namespace dragonfly::dfdaemon {
namespace {

struct Flags {
  std::uint64_t size_mib = 4096;
  std::uint64_t piece_kib = 8192;
  std::size_t concurrent = 8;
  std::size_t threads = 2;
  std::uint64_t buffer_kib = 256;
  std::uint64_t low_water_kib = 128;
  std::uint64_t receive_buffer_kib = 0;
  unsigned rounds = 5;
  std::string source_dir = "/tmp";
  std::string target_dir = "/tmp";
};

struct Round {
  double seconds = 0;
  double parent_cpu_seconds = 0;
  double child_cpu_seconds = 0;
  long parent_peak_kib = 0;
  long child_peak_kib = 0;
};

const TaskId kTask(std::string(64, 'a'));

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  // Also in a child of fork, so no destructors.
  ::_exit(1);
}

std::unique_ptr<Storage> OpenStorage(const std::string& dir, bool keep, const Clock& clock) {
  StorageOptions options;
  options.dir = dir;
  options.keep = keep;
  auto storage = Storage::Open(std::move(options), clock);
  if (!storage.ok()) Die(storage.status());
  return *std::move(storage);
}

TaskSpec Spec(const Flags& flags) {
  TaskSpec spec;
  spec.id = kTask;
  spec.piece_length = flags.piece_kib * kKiB;
  spec.content_length = flags.size_mib * kMiB;
  return spec;
}

std::shared_ptr<StoredTask> CreateTask(Storage& storage, const Flags& flags) {
  auto task = storage.Create(Spec(flags));
  if (!task.ok()) Die(task.status());
  return *std::move(task);
}

void Fill(StoredTask& task) {
  std::vector<std::uint64_t> block(256 * kKiB / 8);
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (PieceNumber number = 0; number < task.piece_count(); ++number) {
    auto claim = task.ClaimPiece(number);
    PieceWriter& writer = *claim->writer;
    while (writer.written() < writer.length()) {
      for (std::uint64_t& word : block) {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        word = state;
      }
      const std::uint64_t rest = writer.length() - writer.written();
      const auto bytes = std::as_bytes(std::span(block));
      if (auto s = writer.Append(bytes.first(std::min<std::uint64_t>(rest, bytes.size())));
          !s.ok()) {
        Die(s);
      }
    }
    if (auto s = writer.Commit({}); !s.ok()) Die(s);
  }
}

template <class T>
T Wait(Runtime& runtime, Awaitable<T> work) {
  return asio::co_spawn(runtime.executor(), std::move(work), asio::use_future).get();
}

// Serves until `done` can be read.
[[noreturn]] void RunParent(const Flags& flags, const std::string& dir, int port_out, int done) {
  {
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
  ::_exit(0);
}

Awaitable<absl::Status> FetchPieces(PieceFetcher& fetcher, std::uint16_t port, StoredTask& task,
                                    std::atomic<PieceNumber>& next) {
  for (PieceNumber number = next++; number < task.piece_count(); number = next++) {
    auto claim = task.ClaimPiece(number);
    if (!claim.ok()) co_return claim.status();
    WriterSink sink(*claim->writer);
    auto piece = co_await fetcher.Fetch({"127.0.0.1", port}, TaskKind::kStandard, kTask, sink);
    if (!piece.ok()) co_return piece.status();
    if (auto s = claim->writer->Commit({}, piece->crc32); !s.ok()) co_return s;
  }
  co_return absl::OkStatus();
}

[[noreturn]] void RunChild(const Flags& flags, const std::string& dir, std::uint16_t port,
                           int seconds_out) {
  {
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
  ::_exit(0);
}

double CpuSeconds(const rusage& usage) {
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

rusage Reap(pid_t child) {
  int status = 0;
  rusage usage{};
  ::wait4(child, &status, 0, &usage);
  if (status != 0) std::exit(1);
  return usage;
}

Round Run(const Flags& flags, const std::string& parent_dir, const std::string& child_dir) {
  int port_pipe[2], done_pipe[2], seconds_pipe[2];
  if (::pipe(port_pipe) != 0 || ::pipe(done_pipe) != 0 || ::pipe(seconds_pipe) != 0) std::exit(1);
  const pid_t parent = ::fork();
  if (parent == 0) RunParent(flags, parent_dir, port_pipe[1], done_pipe[0]);
  std::uint16_t port = 0;
  if (::read(port_pipe[0], &port, sizeof(port)) != sizeof(port)) std::exit(1);
  const pid_t child = ::fork();
  if (child == 0) RunChild(flags, child_dir, port, seconds_pipe[1]);
  Round round;
  const rusage received = Reap(child);
  if (::read(seconds_pipe[0], &round.seconds, sizeof(double)) != sizeof(double)) std::exit(1);
  (void)!::write(done_pipe[1], "x", 1);
  const rusage sent = Reap(parent);
  for (const int fd :
       {port_pipe[0], port_pipe[1], done_pipe[0], done_pipe[1], seconds_pipe[0], seconds_pipe[1]}) {
    ::close(fd);
  }
  round.parent_cpu_seconds = CpuSeconds(sent);
  round.child_cpu_seconds = CpuSeconds(received);
  round.parent_peak_kib = sent.ru_maxrss;
  round.child_peak_kib = received.ru_maxrss;
  return round;
}

template <class Value>
double Median(const std::vector<Round>& rounds, Value value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(static_cast<double>(value(round)));
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

int Main(const Flags& flags) {
  const std::string suffix = "/bench-transfer-" + std::to_string(::getpid());
  const std::string parent_dir = flags.source_dir + suffix + "-parent";
  const std::string child_dir = flags.target_dir + suffix + "-child";
  const pid_t filler = ::fork();
  if (filler == 0) {
    const SystemClock clock;
    {
      const auto storage = OpenStorage(parent_dir, false, clock);
      Fill(*CreateTask(*storage, flags));
    }
    ::_exit(0);
  }
  Reap(filler);

  const double gib = static_cast<double>(flags.size_mib) / 1024;
  std::printf("%6s %8s %18s %18s\n", "round", "GiB/s", "parent core-s/GiB", "child core-s/GiB");
  std::vector<Round> rounds;
  for (unsigned i = 1; i <= flags.rounds; ++i) {
    rounds.push_back(Run(flags, parent_dir, child_dir));
    const Round& round = rounds.back();
    std::printf("%6u %8.2f %18.2f %18.2f\n", i, gib / round.seconds, round.parent_cpu_seconds / gib,
                round.child_cpu_seconds / gib);
    std::fflush(stdout);
  }
  std::error_code ignored;
  std::filesystem::remove_all(parent_dir, ignored);
  std::filesystem::remove_all(child_dir, ignored);

  std::printf(
      "{\"bench\":\"transfer\",\"size_mib\":%llu,\"piece_kib\":%llu,\"concurrent\":%zu,"
      "\"threads\":%zu,\"buffer_kib\":%llu,\"low_water_kib\":%llu,\"rounds\":%u,"
      "\"gib_per_s\":%.3f,\"parent_cpu_s\":%.3f,\"child_cpu_s\":%.3f,\"cpu_s_per_gib\":%.3f,"
      "\"parent_peak_rss_kib\":%.0f,\"child_peak_rss_kib\":%.0f}\n",
      static_cast<unsigned long long>(flags.size_mib),
      static_cast<unsigned long long>(flags.piece_kib), flags.concurrent, flags.threads,
      static_cast<unsigned long long>(flags.buffer_kib),
      static_cast<unsigned long long>(flags.low_water_kib), flags.rounds,
      gib / Median(rounds, [](const Round& r) { return r.seconds; }),
      Median(rounds, [](const Round& r) { return r.parent_cpu_seconds; }),
      Median(rounds, [](const Round& r) { return r.child_cpu_seconds; }),
      Median(rounds, [](const Round& r) { return r.parent_cpu_seconds + r.child_cpu_seconds; }) /
          gib,
      Median(rounds, [](const Round& r) { return r.parent_peak_kib; }),
      Median(rounds, [](const Round& r) { return r.child_peak_kib; }));
  return 0;
}

}  // namespace
}  // namespace dragonfly::dfdaemon

int main(int argc, char** argv) {
  dragonfly::dfdaemon::Flags flags;
  CLI::App app("storage and transfer of two nodes over loopback");
  app.add_option("--size", flags.size_mib, "MiB to move")->check(CLI::Range(1U, 1U << 20U));
  app.add_option("--piece", flags.piece_kib, "KiB of a piece")->check(CLI::Range(4U, 64U << 10U));
  app.add_option("--concurrent", flags.concurrent, "pieces in flight")->check(CLI::Range(1U, 256U));
  app.add_option("--threads", flags.threads, "data threads of each node")
      ->check(CLI::Range(1U, 64U));
  app.add_option("--buffer", flags.buffer_kib, "KiB of the receive buffer of a thread")
      ->check(CLI::Range(4U, 64U << 10U));
  app.add_option("--low-water", flags.low_water_kib, "KiB that must have arrived before a read")
      ->check(CLI::Range(1U, 64U << 10U));
  app.add_option("--receive-buffer", flags.receive_buffer_kib, "KiB of SO_RCVBUF; 0: the kernel's");
  app.add_option("--rounds", flags.rounds, "repetitions; medians are reported")
      ->check(CLI::Range(1U, 1000U));
  app.add_option("--source-dir", flags.source_dir, "folder of the parent's storage");
  app.add_option("--target-dir", flags.target_dir, "folder of the child's storage");
  CLI11_PARSE(app, argc, argv);
  return dragonfly::dfdaemon::Main(flags);
}
