#include "scheduler/store/state_keeper.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/async/sleep.h"

namespace dragonfly::scheduler {
namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(100);

std::int64_t MillisSince(SteadyTime begun) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               begun)
      .count();
}

}  // namespace

StateKeeper::StateKeeper(const Options& options, StateStore& store, StateSource& source,
                         asio::any_io_executor executor, Logger log)
    : options_(options),
      store_(store),
      source_(source),
      log_(std::move(log)),
      tasks_(std::move(executor)) {}

Awaitable<absl::Status> StateKeeper::TryToLoad() {
  struct Counts {
    std::size_t hosts = 0;
    std::size_t tasks = 0;
    std::size_t peers = 0;
  };
  // The sink is called on a thread of the store's, which has ended it when Load() returns.
  const auto counts = std::make_shared<Counts>();
  StateStore::Sink sink = [this, counts](StateChanges records) {
    counts->hosts += records.hosts.size();
    counts->tasks += records.tasks.size();
    counts->peers += records.peers.size();
    source_.Restore(std::move(records));
  };
  const SteadyTime begun = std::chrono::steady_clock::now();
  absl::Status status = co_await store_.Load(std::move(sink));
  if (status.ok()) {
    loaded_ = true;
    log_.Info("state restored", {{"hosts", counts->hosts},
                                 {"tasks", counts->tasks},
                                 {"peers", counts->peers},
                                 {"cost_ms", MillisSince(begun)}});
  }
  co_return status;
}

Awaitable<absl::Status> StateKeeper::Load() {
  absl::Status status = co_await TryToLoad();
  if (absl::IsUnavailable(status)) {
    log_.Warn("state is not restored yet, will retry", {{"error", status}});
    co_return absl::OkStatus();
  }
  co_return status;
}

void StateKeeper::Start() {
  started_ = true;
  tasks_.Spawn(Run());
}

Awaitable<> StateKeeper::Run() {
  // Nothing is written before what is there was read: it would be partly overwritten.
  for (Duration pause = kFirstPause; !loaded_;
       pause = std::min(2 * pause, options_.longest_pause)) {
    co_await SleepFor(pause);
    (void)co_await TryToLoad();
  }
  while (true) {
    StateChanges changes = co_await source_.TakeChanges(options_.batch);
    const bool all = changes.size() < options_.batch;
    if (changes.size() > 0) co_await SaveAtLast(std::move(changes));
    if (all) co_await SleepFor(options_.interval);
  }
}

Awaitable<> StateKeeper::SaveAtLast(StateChanges changes) {
  bool failed = false;
  for (Duration pause = kFirstPause;; pause = std::min(2 * pause, options_.longest_pause)) {
    const absl::Status status = co_await store_.Save(changes);
    if (status.ok()) break;
    if (!std::exchange(failed, true)) {
      log_.Warn("state cannot be written, will retry", {{"error", status}});
    }
    co_await SleepFor(pause);
  }
  if (!failed) co_return;
  log_.Info("state is written again, all of it");
  source_.ChangesLost();
}

Awaitable<> StateKeeper::Stop() {
  co_await tasks_.Stop();
  if (!std::exchange(started_, false) || !loaded_) co_return;
  while (true) {
    const StateChanges changes = co_await source_.TakeChanges(options_.batch);
    if (changes.size() == 0) break;
    if (const absl::Status status = co_await store_.Save(changes); !status.ok()) {
      log_.Warn("the last changes of the state are not written", {{"error", status}});
      break;
    }
    if (changes.size() < options_.batch) break;
  }
}

}  // namespace dragonfly::scheduler
