// Registrations during a storm of piece reports. The one who registers is a process of its own, so
// that it does not wait in the queue of those who make the storm.

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "tests/bench/scheduler/crowd.h"
#include "tests/bench/scheduler/scenarios.h"

namespace dragonfly::bench {
namespace {

using std::chrono::milliseconds;

struct Sample {
  SteadyClock::time_point begun;
  float millis = 0;
};

constexpr auto kInterval = milliseconds(2);
constexpr std::size_t kAtOnce = 512;

void WriteAll(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(fd, at, size);
    if (written <= 0) _exit(1);
    at += written;
    size -= static_cast<std::size_t>(written);
  }
}

bool ReadAll(int fd, void* data, std::size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = read(fd, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

/// From the first byte in `control` until its other end is closed, registers a peer every two
/// milliseconds, whatever became of the ones before; then writes what it saw into `results`.
[[noreturn]] void Probe(const LoadFlags& flags, int control, int results) {
  char go = 0;
  if (!ReadAll(control, &go, 1)) _exit(1);
  std::atomic<bool> over = false;
  std::thread watch([&] {
    char byte = 0;
    (void)ReadAll(control, &byte, 1);
    over = true;
  });
  std::vector<Sample> samples;
  {
    Client client(flags.target, 4);
    std::vector<std::unique_ptr<Conversation>> all;
    std::vector<Conversation*> idle;
    Conversation::Hooks hooks;
    hooks.answered = [&samples](Conversation& conversation) {
      samples.push_back(
          {conversation.begun(),
           std::chrono::duration<float, std::milli>(conversation.latency()).count()});
    };
    hooks.ended = [&idle](Conversation& conversation) {
      if (!conversation.status().ok()) Die(conversation.status().error_message());
      idle.push_back(&conversation);
    };
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      all.push_back(std::make_unique<Conversation>(client, hooks));
      idle.push_back(all.back().get());
    }
    std::uint64_t peer = FreshPeerNumbers() + (std::uint64_t{1} << 40U);
    auto next = SteadyClock::now();
    while (!over) {
      if (idle.empty()) Die("512 registrations are open");
      Conversation& conversation = *idle.back();
      idle.pop_back();
      conversation.Begin(kParentHosts + peer % (flags.hosts - kParentHosts), peer % flags.tasks,
                         peer, {});
      ++peer;
      next += kInterval;
      client.Run([next] { return SteadyClock::now() >= next; });
    }
    client.Run([&] { return idle.size() == all.size(); });
  }
  watch.join();
  const std::size_t count = samples.size();
  WriteAll(results, &count, sizeof count);
  WriteAll(results, samples.data(), count * sizeof(Sample));
  _exit(0);
}

struct Round {
  SteadyClock::time_point begin;
  SteadyClock::time_point end;
};

Round OneStorm(Client& client, const LoadFlags& flags) {
  Crowd::Options options;
  options.at_once = flags.peers;
  options.tasks = flags.tasks;
  options.hosts = flags.hosts;
  options.plan.pieces = kPieceCount;
  options.plan.burst = flags.burst;
  options.plan.hold = true;
  Crowd crowd(client, options);
  crowd.Start();
  client.Run([&crowd] {
    return std::ranges::all_of(crowd.all(), [](const auto& one) { return one->held(); });
  });
  crowd.Stop();
  Round round;
  round.begin = SteadyClock::now();
  for (const auto& conversation : crowd.all()) conversation->Release();
  client.Run([&crowd] { return crowd.open() == 0; });
  round.end = SteadyClock::now();
  return round;
}

}  // namespace

nlohmann::json Storm(const LoadFlags& flags) {
  int control[2];
  int results[2];
  if (pipe(control) != 0 || pipe(results) != 0) Die("pipe");
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    close(control[1]);
    close(results[0]);
    Probe(flags, control[0], results[1]);
  }
  close(control[0]);
  close(results[1]);
  // The probe measures the server, not how long it waits for this process on their common core.
  const sched_param none{};
  (void)sched_setscheduler(0, SCHED_IDLE, &none);

  std::vector<Round> rounds;
  double cpu = 0;
  double wall = 0;
  {
    Client client(flags.target, flags.connections);
    client.AnnounceHosts(0, flags.hosts);
    Crowd::Options preparing;
    preparing.tasks = flags.tasks;
    Crowd(client, preparing).PrepareTasks();
    WriteAll(control[1], "g", 1);
    for (unsigned i = 0; i < flags.rounds; ++i) {
      const double before = CpuSeconds(flags.pid);
      rounds.push_back(OneStorm(client, flags));
      cpu += CpuSeconds(flags.pid) - before;
      wall += std::chrono::duration<double>(rounds.back().end - rounds.back().begin).count();
    }
  }
  close(control[1]);
  std::size_t count = 0;
  if (!ReadAll(results[0], &count, sizeof count)) Die("the one who registers ended early");
  std::vector<Sample> samples(count);
  if (!ReadAll(results[0], samples.data(), count * sizeof(Sample))) Die("samples");
  waitpid(child, nullptr, 0);

  std::vector<float> inside;
  for (const Sample& sample : samples) {
    const bool during = std::ranges::any_of(rounds, [&](const Round& round) {
      return sample.begun >= round.begin && sample.begun < round.end;
    });
    if (during) inside.push_back(sample.millis);
  }
  std::ranges::sort(inside);
  const double reports = static_cast<double>(flags.rounds) * static_cast<double>(flags.peers) *
                         kPieceCount;
  return {{"registrations", inside.size()},
          {"register_p50_ms", Quantile(inside, 0.5)},
          {"register_p99_ms", Quantile(inside, 0.99)},
          {"register_max_ms", Quantile(inside, 1)},
          {"reports", reports},
          {"reports_per_second", reports / wall},
          {"storm_seconds", wall / flags.rounds},
          {"cpu_seconds", cpu}};
}

}  // namespace dragonfly::bench
