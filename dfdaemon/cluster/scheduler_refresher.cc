#include "dfdaemon/cluster/scheduler_refresher.h"

#include <algorithm>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/rpc/health.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr auto kMaxRetry = std::chrono::milliseconds(30'000);

std::string Names(const std::vector<SchedulerEndpoint>& endpoints) {
  std::string text;
  for (const auto& endpoint : endpoints) {
    text += StrCat(text.empty() ? "" : ", ", endpoint.address());
  }
  return text;
}

}  // namespace

struct SchedulerRefresher::Checks {
  Checks(asio::any_io_executor executor, std::size_t count)
      : healthy(count, false), pending(count), done(std::move(executor)) {}
  std::vector<bool> healthy;
  std::size_t pending;
  Notifier done;
};

SchedulerRefresher::SchedulerRefresher(asio::any_io_executor executor,
                                       SchedulerRefresherOptions options,
                                       std::unique_ptr<SchedulerSource> source,
                                       rpc::ChannelPool& channels, SchedulerDirectory& directory,
                                       DownloadPolicy& policy, BlockingPool& disk)
    : executor_(executor),
      options_(std::move(options)),
      source_(std::move(source)),
      channels_(channels),
      directory_(directory),
      policy_(policy),
      disk_(disk),
      group_(executor) {}

void SchedulerRefresher::Start() { group_.Spawn(Run()); }

Awaitable<> SchedulerRefresher::Stop() { co_await group_.Stop(); }

Awaitable<> SchedulerRefresher::Run() {
  auto retry = options_.first_retry;
  bool usable = !directory_.current()->endpoints().empty();
  while (true) {
    const auto wanted = directory_.refresh_wanted().version();
    const auto wait = usable ? options_.interval : std::min(retry, options_.interval);
    const bool asked = co_await directory_.refresh_wanted().WaitPast(
        wanted, std::chrono::steady_clock::now() + wait);
    if (asked) {
      // A scheduler that was just found dead does not come back at once; do not ask in a storm.
      asio::steady_timer pause(executor_, options_.first_retry);
      co_await pause.async_wait(asio::use_awaitable);
    }
    const absl::Status status = co_await Refresh();
    channels_.Sweep(std::chrono::steady_clock::now());
    usable = status.ok() && !asked;
    // After a suspicion one more look soon, because the scheduler may be back after a restart.
    retry = status.ok() ? options_.first_retry : std::min(retry * 2, kMaxRetry);
    if (!status.ok() && options_.warn) {
      options_.warn(StrCat("refresh schedulers: ", status.message()));
    }
  }
}

Awaitable<absl::StatusOr<ListedSchedulers>> SchedulerRefresher::List() {
  auto listed = co_await source_->List();
  std::string trouble(listed.ok() ? listed->problem : listed.status().message());
  if (listed.ok() && (!listed->endpoints.empty() || trouble.empty())) {
    if (!trouble.empty() && options_.warn) options_.warn(StrCat(source_->name(), ": ", trouble));
    listed->problem.clear();
    if (*listed != remembered_ && !listed->endpoints.empty() && !options_.cache_path.empty()) {
      auto save = [path = options_.cache_path, list = *listed] {
        return SaveSchedulerList(path, list);
      };
      const absl::Status saved = co_await disk_.Run(std::move(save));
      if (!saved.ok() && options_.warn) {
        options_.warn(StrCat("keep the list of schedulers: ", saved.message()));
      }
    }
    remembered_ = *listed;
    co_return std::move(listed);
  }
  if (remembered_.endpoints.empty() && !cache_read_ && !options_.cache_path.empty()) {
    cache_read_ = true;
    auto load = [path = options_.cache_path] { return LoadSchedulerList(path); };
    auto cached = co_await disk_.Run(std::move(load));
    if (cached.ok()) remembered_ = *std::move(cached);
  }
  if (listed.ok()) remembered_.block_lists = std::move(listed->block_lists);
  if (remembered_.endpoints.empty()) {
    if (listed.ok()) Enforce(remembered_, 0);
    co_return absl::UnavailableError(StrCat(source_->name(), ": ", trouble));
  }
  if (options_.warn) {
    options_.warn(
        StrCat(source_->name(), ": ", trouble, "; going on with the last known schedulers"));
  }
  co_return remembered_;
}

Awaitable<absl::Status> SchedulerRefresher::Refresh() {
  CO_ASSIGN_OR_RETURN(const ListedSchedulers listed, co_await List());
  if (listed.endpoints.empty()) {
    co_return absl::UnavailableError(StrCat(source_->name(), " knows no scheduler"));
  }
  const std::vector<bool> healthy = co_await CheckAll(listed.endpoints);
  std::vector<SchedulerEndpoint> usable = SelectUsable(listed.endpoints, healthy);
  // Also without a scheduler: downloads go to the source then.
  Enforce(listed, (usable.empty() ? listed.endpoints : usable).front().cluster_id);
  if (usable.empty()) {
    co_return absl::UnavailableError(
        StrCat("available schedulers not found: none of ", Names(listed.endpoints), " is healthy"));
  }
  if (options_.info && usable != directory_.current()->endpoints()) {
    options_.info(StrCat("schedulers in use: ", Names(usable)));
  }
  directory_.Replace(std::move(usable));
  co_return absl::OkStatus();
}

void SchedulerRefresher::Enforce(const ListedSchedulers& listed, std::uint64_t cluster_id) {
  const auto found = listed.block_lists.find(cluster_id);
  DownloadBlockList wanted;
  if (found != listed.block_lists.end()) wanted = found->second;
  if (wanted == policy_.list()) return;
  if (options_.info) options_.info("the list of blocked downloads has changed");
  for (const std::string& pattern : policy_.Replace(std::move(wanted))) {
    if (options_.warn) {
      options_.warn(StrCat("blocked url '", pattern, "' is no regular expression, left out"));
    }
  }
}

Awaitable<std::vector<bool>> SchedulerRefresher::CheckAll(
    std::vector<SchedulerEndpoint> endpoints) {
  const auto checks = std::make_shared<Checks>(executor_, endpoints.size());
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    group_.Spawn(CheckOne(checks, i, endpoints[i].address()));
  }
  // Every check has a deadline of its own; this one is for a group that is being stopped.
  const auto deadline = std::chrono::steady_clock::now() + 2 * options_.health_timeout;
  while (checks->pending > 0) {
    const auto version = checks->done.version();
    if (!co_await checks->done.WaitPast(version, deadline)) break;
  }
  co_return checks->healthy;
}

Awaitable<> SchedulerRefresher::CheckOne(std::shared_ptr<Checks> checks, std::size_t index,
                                         std::string address) {
  auto channel = channels_.Get(address, std::chrono::steady_clock::now());
  if (channel.ok()) {
    const absl::Status status =
        co_await rpc::CheckHealth(*std::move(channel), "", options_.health_timeout);
    checks->healthy[index] = status.ok();
  }
  --checks->pending;
  checks->done.Notify();
}

}  // namespace dragonfly::dfdaemon
