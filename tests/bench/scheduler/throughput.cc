// Conversations, reports, and what fills the server's memory.

#include <chrono>

#include "tests/bench/scheduler/crowd.h"
#include "tests/bench/scheduler/scenarios.h"

namespace dragonfly::bench {
namespace {

Crowd::Options CrowdOf(const LoadFlags& flags) {
  Crowd::Options options;
  options.at_once = flags.at_once;
  options.tasks = flags.tasks;
  options.hosts = flags.hosts;
  options.plan.pieces = flags.pieces;
  return options;
}

void RunFor(Client& client, double seconds) {
  const auto end = SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(
                                            std::chrono::duration<double>(seconds));
  client.Run([end] { return SteadyClock::now() >= end; });
}

/// What happens while `count()` goes on for a while.
struct Window {
  double count = 0;
  double wall_seconds = 0;
  double cpu_seconds = 0;

  template <class Count>
  static Window Over(Client& client, const LoadFlags& flags, const Count& count) {
    const auto begun = SteadyClock::now();
    const double cpu = CpuSeconds(flags.pid);
    const auto before = count();
    RunFor(client, flags.seconds);
    Window window;
    window.count = static_cast<double>(count() - before);
    window.cpu_seconds = CpuSeconds(flags.pid) - cpu;
    window.wall_seconds = std::chrono::duration<double>(SteadyClock::now() - begun).count();
    return window;
  }
  [[nodiscard]] nlohmann::json Json() const {
    return {{"count", count},
            {"per_second", count / wall_seconds},
            {"cpu_share", cpu_seconds / wall_seconds},
            {"per_core_second", cpu_seconds > 0 ? count / cpu_seconds : 0}};
  }
};

}  // namespace

nlohmann::json Conversations(const LoadFlags& flags) {
  Client client(flags.target, flags.connections);
  client.AnnounceHosts(0, flags.hosts);
  Crowd crowd(client, CrowdOf(flags));
  crowd.PrepareTasks();
  crowd.Start();
  RunFor(client, flags.warmup_seconds);
  crowd.TakeLatencies();
  nlohmann::json result =
      Window::Over(client, flags, [&crowd] { return crowd.ended(); }).Json();
  const auto latencies = crowd.TakeLatencies();
  result["register_p50_ms"] = Quantile(latencies, 0.5);
  result["register_p99_ms"] = Quantile(latencies, 0.99);
  crowd.Stop();
  client.Run([&crowd] { return crowd.open() == 0; });
  return result;
}

nlohmann::json Reports(const LoadFlags& flags) {
  Client client(flags.target, flags.connections);
  client.AnnounceHosts(0, flags.hosts);
  Crowd::Options options = CrowdOf(flags);
  options.plan.pieces = kPieceCount;
  options.plan.burst = flags.burst;
  options.plan.endless = true;
  Crowd crowd(client, options);
  crowd.PrepareTasks();
  crowd.Start();
  RunFor(client, flags.warmup_seconds);
  const auto reports = [&crowd] {
    std::uint64_t sum = 0;
    for (const auto& conversation : crowd.all()) sum += conversation->reports();
    return sum;
  };
  const nlohmann::json result = Window::Over(client, flags, reports).Json();
  crowd.Stop();
  for (const auto& conversation : crowd.all()) conversation->EndSoon();
  client.Run([&crowd] { return crowd.open() == 0; });
  return result;
}

nlohmann::json Fill(const LoadFlags& flags) {
  Client client(flags.target, flags.connections);
  client.AnnounceHosts(0, flags.hosts);
  Crowd crowd(client, CrowdOf(flags));
  crowd.PrepareTasks();
  crowd.Start();
  const std::size_t wanted = flags.tasks * flags.peers;
  client.Run([&] {
    if (crowd.ended() + crowd.open() >= wanted) crowd.Stop();
    return crowd.open() == 0;
  });
  return {{"hosts", flags.hosts}, {"tasks", flags.tasks}, {"peers", crowd.ended()}};
}

}  // namespace dragonfly::bench
