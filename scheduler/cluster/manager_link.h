#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/rpc/channel.h"
#include "scheduler/cluster/dynamic_config.h"

namespace dragonfly::scheduler {

/// Who this scheduler is, as the manager gets to know it.
struct SchedulerIdentity {
  std::string hostname;
  std::string ip;
  std::uint16_t port = 8002;
  std::string idc;
  std::string location;
  std::uint64_t cluster_id = 1;
  std::vector<std::string> features = {"schedule"};
};

/// What the scheduler says to its manager and asks of it. Functions run on the caller's executor.
class ManagerLink {
 public:
  virtual ~ManagerLink() = default;
  /// Makes the scheduler known; until KeepAlive() it counts as inactive.
  virtual Awaitable<absl::Status> Register() = 0;
  /// The dynamic configuration of the cluster. NotFound: not registered.
  virtual Awaitable<absl::StatusOr<DynamicConfig>> Fetch() = 0;
  /// Tells the manager at once and then at every interval that we live. Returns when the stream
  /// broke, with the reason; not Unavailable: the manager refused, perhaps because it does not know
  /// this scheduler.
  virtual Awaitable<absl::Status> KeepAlive() = 0;
};

struct ManagerLinkOptions {
  std::string address;  ///< host:port.
  rpc::ChannelOptions channel;
  SchedulerIdentity identity;
  Duration keep_alive_interval = std::chrono::seconds(5);
  Duration call_timeout = std::chrono::seconds(10);
};

/// Over gRPC, manager.v2. Connects when it is first used. Errors: bad TLS files; blocks on them.
absl::StatusOr<std::unique_ptr<ManagerLink>> MakeManagerLink(ManagerLinkOptions options);

}  // namespace dragonfly::scheduler
