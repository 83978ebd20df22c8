#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "common/rpc/pb.h"
#include "dfdaemon/cluster/host_facts.h"
#include "dfdaemon/cluster/host_identity.h"
#include "dfdaemon/cluster/network_monitor.h"
#include "dfdaemon/cluster/scheduler_directory.h"
#include "scheduler.pb.h"

namespace dragonfly::dfdaemon {

struct AnnouncerOptions {
  std::chrono::milliseconds interval{300'000};
  std::chrono::milliseconds timeout{10'000};  ///< Of one call.
  std::chrono::milliseconds first_retry{1000};
  std::function<void(const std::string& text)> warn;
};

/// Makes this host known to every scheduler in the directory: at once when it appears there, then
/// every interval; after a failure again with growing pauses. Runs on: the `io` executor.
class Announcer {
 public:
  Announcer(asio::any_io_executor executor, AnnouncerOptions options, HostIdentity host,
            HostProbe& probe, NetworkMonitor& network, rpc::ChannelPool& channels,
            SchedulerDirectory& directory);

  void Start();
  Awaitable<> Stop();

  /// To one scheduler, now.
  Awaitable<absl::Status> AnnounceTo(SchedulerEndpoint scheduler);
  /// To all of the directory. The first error; all are tried.
  Awaitable<absl::Status> AnnounceToAll();
  /// Tells all schedulers of the directory that this host leaves. The first error; all are tried.
  Awaitable<absl::Status> DeleteHost();

 private:
  struct State {
    SteadyTime due;
    std::chrono::milliseconds retry{0};
  };

  Awaitable<> Run();
  [[nodiscard]] pb::scheduler::AnnounceHostRequest Message();

  const asio::any_io_executor executor_;
  const AnnouncerOptions options_;
  const HostIdentity host_;
  HostProbe& probe_;
  NetworkMonitor& network_;
  rpc::ChannelPool& channels_;
  SchedulerDirectory& directory_;

  absl::flat_hash_map<std::string, State> states_;  ///< By address.
  TaskGroup group_;
};

}  // namespace dragonfly::dfdaemon
