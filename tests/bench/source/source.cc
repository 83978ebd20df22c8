// Back to source from nginx on loopback into a storage, without the rest of the daemon. See README.md.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "CLI/CLI.hpp"
#include "common/async/runtime.h"
#include "common/testing/nginx.h"
#include "common/testing/temp_dir.h"
#include "dfdaemon/source/http_source.h"

namespace dragonfly::dfdaemon {
namespace {

struct Flags {
  std::uint64_t size_mib = 4096;
  std::uint64_t piece_kib = 8192;
  std::size_t concurrent = 8;
  std::size_t threads = 2;
  std::uint64_t receive_kib = 512;
  unsigned rounds = 5;
};

struct Round {
  double seconds = 0;
  double cpu_seconds = 0;
  long peak_kib = 0;
};

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  ::_exit(1);  // Also in a child of fork, so no destructors.
}

void WriteContent(const std::string& path, std::uint64_t size_mib) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) Die(absl::InternalError("cannot write the content"));
  std::vector<std::uint64_t> block(kMiB / 8);
  std::uint64_t state = 0x9e3779b97f4a7c15U;
  for (std::uint64_t i = 0; i < size_mib; ++i) {
    for (std::uint64_t& word : block) {
      state ^= state << 13U;
      state ^= state >> 7U;
      state ^= state << 17U;
      word = state;
    }
    if (std::fwrite(block.data(), 1, kMiB, file) != kMiB) Die(absl::InternalError("disk full"));
  }
  std::fclose(file);
}

Awaitable<absl::Status> FetchPieces(HttpSource& source, std::string url, StoredTask& task,
                                    std::atomic<PieceNumber>& next) {
  SourceRequest request;
  request.url = std::move(url);
  for (PieceNumber number = next++; number < task.piece_count(); number = next++) {
    auto claim = task.ClaimPiece(number);
    if (!claim.ok()) co_return claim.status();
    auto fetched =
        co_await source.FetchPiece(request, task.spec().content_length, *claim->writer);
    if (!fetched.ok()) co_return fetched;
    if (auto s = claim->writer->Commit({}); !s.ok()) co_return s;
  }
  co_return absl::OkStatus();
}

[[noreturn]] void RunDaemon(const Flags& flags, const std::string& url, const std::string& dir,
                            int seconds_out) {
  {
    const SystemClock clock;
    StorageOptions storage_options;
    storage_options.dir = dir;
    auto storage = Storage::Open(storage_options, clock);
    if (!storage.ok()) Die(storage.status());
    Runtime data("data", flags.threads);
    std::vector<asio::any_io_executor> executors;
    for (std::size_t i = 0; i < data.size(); ++i) executors.push_back(data.executor(i));
    HttpClientOptions client_options;
    client_options.receive_buffer_bytes = flags.receive_kib * kKiB;
    HttpClient client(client_options, executors);
    RateLimiter unlimited(0);
    NullSourceMetrics metrics;
    HttpSource source({}, {client, {&unlimited}, metrics, clock, Logger()});
    const auto start = std::chrono::steady_clock::now();
    TaskSpec spec;
    spec.id = TaskId(std::string(64, 'a'));
    spec.piece_length = flags.piece_kib * kKiB;
    spec.content_length = flags.size_mib * kMiB;
    const auto task = (*storage)->Create(spec);
    if (!task.ok()) Die(task.status());
    std::atomic<PieceNumber> next{0};
    std::vector<std::future<absl::Status>> running;
    for (std::size_t i = 0; i < flags.concurrent; ++i) {
      running.push_back(asio::co_spawn(data.Next(), FetchPieces(source, url, **task, next),
                                       asio::use_future));
    }
    for (auto& fetch : running) {
      if (auto s = fetch.get(); !s.ok()) Die(s);
    }
    if (!(*task)->complete()) ::_exit(1);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    const double seconds = took.count();
    if (::write(seconds_out, &seconds, sizeof(seconds)) != sizeof(seconds)) ::_exit(1);
    asio::co_spawn(data.executor(), client.Stop(), asio::use_future).get();
  }
  ::_exit(0);
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

Round Run(const Flags& flags, const std::string& url) {
  const TempDir dir;
  int out[2];
  if (::pipe(out) != 0) Die(absl::InternalError("pipe"));
  const pid_t daemon = ::fork();
  if (daemon == 0) RunDaemon(flags, url, dir.path(), out[1]);
  int status = 0;
  rusage usage{};
  ::wait4(daemon, &status, 0, &usage);
  Round round;
  if (status != 0 || ::read(out[0], &round.seconds, sizeof(double)) != sizeof(double)) {
    std::exit(1);
  }
  ::close(out[0]);
  ::close(out[1]);
  round.cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  round.peak_kib = usage.ru_maxrss;
  return round;
}

template <class Value>
double Median(const std::vector<Round>& rounds, Value value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(static_cast<double>(value(round)));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(const Flags& flags) {
  const TempDir dir;
  WriteContent(dir.File("content"), flags.size_mib);
  auto nginx = StartNginx(dir.path(), dir.path());
  if (!nginx.ok()) Die(nginx.status());
  const std::string url = "http://" + nginx->address() + "/content";
  const double gib = static_cast<double>(flags.size_mib) / 1024;
  std::printf("%6s %8s %12s\n", "round", "GiB/s", "core-s/GiB");
  std::vector<Round> rounds;
  for (unsigned i = 1; i <= flags.rounds; ++i) {
    rounds.push_back(Run(flags, url));
    std::printf("%6u %8.2f %12.2f\n", i, gib / rounds.back().seconds,
                rounds.back().cpu_seconds / gib);
    std::fflush(stdout);
  }
  std::printf(
      "{\"bench\":\"source\",\"size_mib\":%llu,\"concurrent\":%zu,\"threads\":%zu,\"rounds\":%u,"
      "\"gib_per_s\":%.3f,\"cpu_s_per_gib\":%.3f,\"peak_rss_kib\":%.0f}\n",
      static_cast<unsigned long long>(flags.size_mib), flags.concurrent, flags.threads,
      flags.rounds, gib / Median(rounds, [](const Round& r) { return r.seconds; }),
      Median(rounds, [](const Round& r) { return r.cpu_seconds; }) / gib,
      Median(rounds, [](const Round& r) { return r.peak_kib; }));
  return 0;
}

}  // namespace
}  // namespace dragonfly::dfdaemon

int main(int argc, char** argv) {
  dragonfly::dfdaemon::Flags flags;
  CLI::App app("back to source from nginx over loopback");
  app.add_option("--size", flags.size_mib, "MiB to move")->check(CLI::Range(1U, 1U << 20U));
  app.add_option("--piece", flags.piece_kib, "KiB of a piece")->check(CLI::Range(4U, 64U << 10U));
  app.add_option("--concurrent", flags.concurrent, "pieces in flight")->check(CLI::Range(1U, 256U));
  app.add_option("--threads", flags.threads, "data threads")->check(CLI::Range(1U, 64U));
  app.add_option("--receive", flags.receive_kib, "KiB of a transfer's receive buffer")
      ->check(CLI::Range(16U, 512U));
  app.add_option("--rounds", flags.rounds, "repetitions; medians are reported")
      ->check(CLI::Range(1U, 1000U));
  CLI11_PARSE(app, argc, argv);
  return dragonfly::dfdaemon::Main(flags);
}
