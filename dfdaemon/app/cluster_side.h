#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/rpc/channel.h"
#include "dfdaemon/app/core.h"
#include "dfdaemon/cluster/announcer.h"
#include "dfdaemon/cluster/grpc_parent_client.h"
#include "dfdaemon/cluster/grpc_scheduler_client.h"
#include "dfdaemon/cluster/host_facts.h"
#include "dfdaemon/cluster/network_monitor.h"
#include "dfdaemon/cluster/scheduler_directory.h"
#include "dfdaemon/cluster/scheduler_refresher.h"

namespace dragonfly::dfdaemon {

/// What talks to manager, schedulers and other daemons.
class ClusterSide {
 public:
  /// Learns of the schedulers and announces this host to them, each tried once; without any the
  /// daemon starts nevertheless, reads from sources, and goes on looking for them. Blocks. Errors
  /// are those of the configuration.
  static absl::StatusOr<std::unique_ptr<ClusterSide>> Start(Core& core);
  /// After Stop().
  ~ClusterSide() = default;

  [[nodiscard]] GrpcSchedulerClient& scheduler() { return scheduler_; }
  [[nodiscard]] GrpcParentClient& parents() { return parents_; }
  [[nodiscard]] NetworkMonitor& network() { return network_; }
  /// What must not be downloaded.
  [[nodiscard]] const DownloadPolicy& policy() const { return policy_; }

  /// Tells the scheduler of that task, in the background, that it is not here any more. On `io`.
  void TellDeleted(const TaskId& task);
  /// Tells the schedulers that this host goes, so that nobody is sent here any more.
  Awaitable<> Leave();
  Awaitable<> Stop();

 private:
  ClusterSide(Core& core, std::unique_ptr<SchedulerSource> source);
  Awaitable<> Begin();
  Awaitable<> DeleteTask(TaskId task);

  Core& core_;
  rpc::ChannelPool scheduler_channels_;
  rpc::ChannelPool parent_channels_;
  SchedulerDirectory directory_;
  DownloadPolicy policy_;
  HostProbe probe_;
  NetworkMonitor network_;
  Announcer announcer_;
  SchedulerRefresher refresher_;
  GrpcSchedulerClient scheduler_;
  GrpcParentClient parents_;
  TaskGroup background_;
};

}  // namespace dragonfly::dfdaemon
