#include "scheduler/gc/sweeper.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "common/async/sleep.h"

namespace dragonfly::scheduler {
namespace {

std::int64_t Seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

Sweeper::Sweeper(const Options& options, SweepTarget& target, asio::any_io_executor executor,
                 Logger log)
    : options_(options),
      target_(target),
      log_(std::move(log)),
      tasks_(std::move(executor)) {}

void Sweeper::Start() {
  tasks_.Spawn(Run(&SweepTarget::SweepHosts, options_.host_interval));
  tasks_.Spawn(Run(&SweepTarget::SweepPeers, options_.peer_interval));
  tasks_.Spawn(Run(&SweepTarget::SweepTasks, options_.task_interval));
  log_.Info("garbage collection started", {{"host_interval_s", Seconds(options_.host_interval)},
                                           {"peer_interval_s", Seconds(options_.peer_interval)},
                                           {"task_interval_s", Seconds(options_.task_interval)}});
}

Awaitable<> Sweeper::Run(Sweep sweep, Duration interval) {
  while (true) {
    co_await SleepFor(interval);
    (target_.*sweep)();
  }
}

}  // namespace dragonfly::scheduler
