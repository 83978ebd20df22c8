// Two nodes' storage and transfer without the rest of the daemon, Vortex beside gRPC. See
// README.md.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "common/base/types.h"
#include "fmt/format.h"
#include "tests/bench/transfer/node.h"

namespace dragonfly::dfdaemon {

namespace {

struct Round {
  double seconds = 0;
  double parent_cpu_seconds = 0;
  double child_cpu_seconds = 0;
  long parent_peak_kib = 0;
  long child_peak_kib = 0;
};

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

Round Run(const Protocol& protocol, const Flags& flags, const std::string& parent_dir,
          const std::string& child_dir) {
  int port_pipe[2], done_pipe[2], seconds_pipe[2];
  if (::pipe(port_pipe) != 0 || ::pipe(done_pipe) != 0 || ::pipe(seconds_pipe) != 0) std::exit(1);
  const pid_t parent = ::fork();
  if (parent == 0) {
    protocol.parent(flags, parent_dir, port_pipe[1], done_pipe[0]);
    ::_exit(0);
  }
  std::uint16_t port = 0;
  if (::read(port_pipe[0], &port, sizeof(port)) != sizeof(port)) std::exit(1);
  const pid_t child = ::fork();
  if (child == 0) {
    protocol.child(flags, child_dir, port, seconds_pipe[1]);
    ::_exit(0);
  }
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

  struct Contender {
    const char* name;
    const Protocol& protocol;
    std::vector<Round> rounds;
  };
  std::vector<Contender> contenders{{"vortex", kVortex, {}}};
  if (!flags.vortex_only) contenders.push_back({"grpc", kGrpc, {}});
  const double gib = static_cast<double>(flags.size_mib) / 1024;
  std::printf("%6s %8s %8s %18s %18s\n", "", "round", "GiB/s", "parent core-s/GiB",
              "child core-s/GiB");
  for (unsigned i = 0; i <= flags.rounds; ++i) {
    for (Contender& contender : contenders) {
      const Round round = Run(contender.protocol, flags, parent_dir, child_dir);
      if (i == 0) continue;  // Warms memory and caches up.
      contender.rounds.push_back(round);
      std::printf("%6s %8u %8.2f %18.2f %18.2f\n", contender.name, i, gib / round.seconds,
                  round.parent_cpu_seconds / gib, round.child_cpu_seconds / gib);
      std::fflush(stdout);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(parent_dir, ignored);
  std::filesystem::remove_all(child_dir, ignored);

  std::string json = fmt::format(
      R"({{"bench":"transfer","size_mib":{},"piece_kib":{},"concurrent":{},"threads":{},)"
      R"("buffer_kib":{},"low_water_kib":{},"rounds":{})",
      flags.size_mib, flags.piece_kib, flags.concurrent, flags.threads, flags.buffer_kib,
      flags.low_water_kib, flags.rounds);
  std::vector<double> seconds;
  for (const Contender& contender : contenders) {
    const auto median = [&contender](auto value) { return Median(contender.rounds, value); };
    seconds.push_back(median([](const Round& r) { return r.seconds; }));
    json += fmt::format(
        R"(,"{}":{{"gib_per_s":{:.3f},"parent_cpu_s_per_gib":{:.3f},"child_cpu_s_per_gib":{:.3f},)"
        R"("parent_peak_mib":{:.1f},"child_peak_mib":{:.1f}}})",
        contender.name, gib / seconds.back(),
        median([](const Round& r) { return r.parent_cpu_seconds; }) / gib,
        median([](const Round& r) { return r.child_cpu_seconds; }) / gib,
        median([](const Round& r) { return r.parent_peak_kib; }) / 1024,
        median([](const Round& r) { return r.child_peak_kib; }) / 1024);
  }
  if (seconds.size() == 2) {
    std::printf("Vortex takes %.2f of the time of gRPC; must: 0.5\n", seconds[0] / seconds[1]);
    json += fmt::format(R"(,"time_ratio":{:.4f})", seconds[0] / seconds[1]);
  }
  std::printf("%s}\n", json.c_str());
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
  app.add_option("--channels", flags.channels, "connections of gRPC")->check(CLI::Range(1U, 256U));
  app.add_flag("--vortex-only", flags.vortex_only, "without gRPC beside it");
  app.add_option("--rounds", flags.rounds, "repetitions; medians are reported")
      ->check(CLI::Range(1U, 1000U));
  app.add_option("--source-dir", flags.source_dir, "folder of the parent's storage");
  app.add_option("--target-dir", flags.target_dir, "folder of the child's storage");
  CLI11_PARSE(app, argc, argv);
  return dragonfly::dfdaemon::Main(flags);
}
