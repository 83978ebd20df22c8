#include "dfdaemon/gc/garbage_collector.h"

#include <memory>
#include <utility>

#include "common/async/sleep.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

struct Look {
  std::vector<StoredTaskSummary> tasks;
  absl::StatusOr<DiskUsage> disk;
};

}  // namespace

GarbageCollector::GarbageCollector(GcOptions options, Collaborators with, OnRemoved on_removed)
    : options_(std::move(options)),
      with_(std::move(with)),
      on_removed_(std::move(on_removed)),
      idle_tasks_(options_.page_cache_idle),
      background_(with_.executor) {}

void GarbageCollector::Start() { background_.Spawn(RunForever()); }

Awaitable<> GarbageCollector::Stop() { return background_.Stop(); }

Awaitable<> GarbageCollector::RunForever() {
  while (true) {
    const auto removed = co_await RunOnce();
    if (!removed.ok()) {
      with_.log.Warn("garbage collection failed", {{"error", ToStd(removed.status().message())}});
    }
    co_await SleepFor(options_.interval);
  }
}

Awaitable<absl::StatusOr<std::vector<GcVictim>>> GarbageCollector::RunOnce() {
  // Taken before the look: who uses a task afterwards keeps it.
  const WallTime now = with_.clock.WallNow();
  auto look_at_disk = [&storage = with_.storage] {
    return Look{storage.Summaries(), storage.Usage()};
  };
  Look look = co_await with_.disk.Run(std::move(look_at_disk));
  if (!look.disk.ok()) co_return look.disk.status();
  std::vector<GcVictim> removed;
  for (GcVictim& victim : ChooseVictims(look.tasks, *look.disk, options_.policy, now)) {
    auto remove = [&storage = with_.storage, &victim, now] {
      return storage.RemoveUnused(victim.kind, victim.id, now);
    };
    const absl::Status status = co_await with_.disk.Run(std::move(remove));
    // Somebody began to use it, or deleted it, since the choice was made.
    if (absl::IsFailedPrecondition(status) || absl::IsNotFound(status)) continue;
    if (!status.ok()) {
      with_.log.Warn("task not deleted",
                     {{"task_id", victim.id.str()}, {"error", ToStd(status.message())}});
      continue;
    }
    with_.log.Info("task deleted",
                   {{"task_id", victim.id.str()},
                    {"content_length", victim.content_length},
                    {"reason", victim.reason == GcReason::kExpired ? "expired" : "disk full"}});
    if (on_removed_) on_removed_(victim);
    removed.push_back(std::move(victim));
  }
  if (options_.page_cache_idle.count() > 0) co_await DropIdlePages(std::move(look.tasks));
  co_return removed;
}

Awaitable<> GarbageCollector::DropIdlePages(std::vector<StoredTaskSummary> tasks) {
  for (const auto& [kind, id] : idle_tasks_.Next(tasks, with_.clock.WallNow())) {
    const std::shared_ptr<StoredTask> task = with_.storage.Find(kind, id);
    if (task == nullptr) continue;
    auto drop = [path = task->content_path()] {
      DropFromPageCache(path);
      return true;
    };
    co_await with_.disk.Run(std::move(drop));
  }
}

}  // namespace dragonfly::dfdaemon
