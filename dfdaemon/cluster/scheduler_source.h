#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/rpc/channel.h"
#include "dfdaemon/cluster/host_identity.h"
#include "dfdaemon/cluster/scheduler_list.h"

namespace dragonfly::dfdaemon {

/// Where the list of schedulers comes from. Lives on the `io` executor.
class SchedulerSource {
 public:
  virtual ~SchedulerSource() = default;
  /// All schedulers that may serve this host, healthy or not, and what their clusters block.
  virtual Awaitable<absl::StatusOr<ListedSchedulers>> List() = 0;
  /// For messages: "manager 10.0.0.1:65003", "file /etc/dragonfly/dynconfig.yaml".
  [[nodiscard]] virtual std::string name() const = 0;
};

/// Host and port of `http://host:port`, as gRPC wants them; port 65003 when the URL has none.
/// InvalidArgument without a scheme.
absl::StatusOr<std::string> ManagerAddress(std::string_view url);

/// Asks the manager. `address` is host:port.
std::unique_ptr<SchedulerSource> MakeManagerSource(std::string address, rpc::ChannelOptions channel,
                                                   HostIdentity host);

/// Names of schedulers as the local file gives them.
struct LocalSchedulers {
  /// One name for all of them: every address it resolves to is a scheduler.
  std::string addr = "dragonfly-scheduler:8002";
  /// When not empty, these instead of `addr`.
  std::vector<std::string> addrs;
  DownloadBlockList block_list;
};

/// Reads the file by `load` at every refresh and resolves names: IPv4 when a name has it, sorted.
std::unique_ptr<SchedulerSource> MakeLocalSource(
    std::string name, std::function<absl::StatusOr<LocalSchedulers>()> load);

/// `host:port` in two; brackets of IPv6 are taken off. InvalidArgument.
absl::StatusOr<std::pair<std::string, std::uint16_t>> SplitHostPort(std::string_view text);

}  // namespace dragonfly::dfdaemon
