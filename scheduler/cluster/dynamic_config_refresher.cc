#include "scheduler/cluster/dynamic_config_refresher.h"

#include <algorithm>
#include <utility>

#include "common/async/sleep.h"
#include "scheduler/cluster/dynamic_config_cache.h"

namespace dragonfly::scheduler {
namespace {

// How soon a source that did not answer is asked again, at most.
constexpr Duration kRetry = std::chrono::seconds(5);

}  // namespace

DynamicConfigRefresher::DynamicConfigRefresher(asio::any_io_executor executor, Options options,
                                               Fetch fetch, DynamicConfigHolder& holder,
                                               BlockingPool& disk, Logger log)
    : options_(std::move(options)),
      fetch_(std::move(fetch)),
      holder_(holder),
      disk_(disk),
      log_(std::move(log)),
      group_(std::move(executor)) {}

Awaitable<absl::Status> DynamicConfigRefresher::Load() {
  absl::Status status = co_await Refresh();
  if (status.ok() || options_.cache_path.empty()) co_return status;
  auto load = [this] { return LoadDynamicConfig(options_.cache_path); };
  auto cached = co_await disk_.Run(load);
  if (!cached.ok()) {
    if (!absl::IsNotFound(cached.status())) {
      log_.Warn("kept dynamic configuration is not usable", {{"error", cached.status()}});
    }
    co_return status;
  }
  log_.Warn("no dynamic configuration, using the one of the last time", {{"error", status}});
  holder_.Publish(*std::move(cached));
  co_return absl::OkStatus();
}

Awaitable<absl::Status> DynamicConfigRefresher::Refresh() {
  absl::StatusOr<DynamicConfig> fetched = co_await fetch_();
  reached_ = fetched.ok();
  if (!fetched.ok()) co_return fetched.status();
  const bool changed = !(*fetched == *holder_.current());
  if (changed) holder_.Publish(*fetched);
  if (options_.cache_path.empty()) co_return absl::OkStatus();
  auto save = [this, &fetched] { return SaveDynamicConfig(options_.cache_path, *fetched); };
  if (const absl::Status saved = co_await disk_.Run(save); !saved.ok()) {
    log_.Warn("keep dynamic configuration failed", {{"error", saved}});
  }
  if (changed) log_.Info("dynamic configuration changed");
  co_return absl::OkStatus();
}

void DynamicConfigRefresher::Start() { group_.Spawn(Run()); }

Awaitable<> DynamicConfigRefresher::Run() {
  while (true) {
    co_await SleepFor(reached_ ? options_.interval : std::min(options_.interval, kRetry));
    const absl::Status status = co_await Refresh();
    if (!status.ok()) {
      log_.Warn("refresh dynamic configuration failed, keeping the last", {{"error", status}});
    }
  }
}

}  // namespace dragonfly::scheduler
