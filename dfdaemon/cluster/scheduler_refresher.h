#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/task_group.h"
#include "common/rpc/channel.h"
#include "dfdaemon/cluster/scheduler_directory.h"
#include "dfdaemon/cluster/scheduler_source.h"

namespace dragonfly::dfdaemon {

struct SchedulerRefresherOptions {
  std::chrono::milliseconds interval{300'000};
  /// Wait after a refresh that found no usable scheduler; doubles up to `interval` or 30 s.
  std::chrono::milliseconds first_retry{1000};
  std::chrono::milliseconds health_timeout{5000};
  /// Where the last list from the source is kept; empty: nowhere.
  std::string cache_path;
  /// Told of what went wrong, once per refresh, and of every new list.
  std::function<void(const std::string& text)> warn;
  std::function<void(const std::string& text)> info;
};

/// Keeps the directory up to date: asks the source, checks health, applies the rule of one cluster,
/// and the policy: what that cluster does not want to be downloaded.
/// When the source does not answer, the last known list is checked instead; when no scheduler is
/// healthy, the directory stays as it is. Runs on: the `io` executor.
class SchedulerRefresher {
 public:
  SchedulerRefresher(asio::any_io_executor executor, SchedulerRefresherOptions options,
                     std::unique_ptr<SchedulerSource> source, rpc::ChannelPool& channels,
                     SchedulerDirectory& directory, DownloadPolicy& policy, BlockingPool& disk);

  /// One round. Unavailable when no scheduler is usable, with the reason.
  Awaitable<absl::Status> Refresh();

  /// Refreshes in the background from now on.
  void Start();
  Awaitable<> Stop();

 private:
  struct Checks;

  Awaitable<> Run();
  /// The list to check, from the source or from what is remembered.
  Awaitable<absl::StatusOr<ListedSchedulers>> List();
  void Enforce(const ListedSchedulers& listed, std::uint64_t cluster_id);
  Awaitable<std::vector<bool>> CheckAll(std::vector<SchedulerEndpoint> endpoints);
  Awaitable<> CheckOne(std::shared_ptr<Checks> checks, std::size_t index, std::string address);

  const asio::any_io_executor executor_;
  const SchedulerRefresherOptions options_;
  const std::unique_ptr<SchedulerSource> source_;
  rpc::ChannelPool& channels_;
  SchedulerDirectory& directory_;
  DownloadPolicy& policy_;
  BlockingPool& disk_;

  ListedSchedulers remembered_;
  bool cache_read_ = false;
  TaskGroup group_;
};

}  // namespace dragonfly::dfdaemon
