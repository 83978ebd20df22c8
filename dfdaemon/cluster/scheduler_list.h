#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/types.h"
#include "common/hashring/hash_ring.h"
#include "dfdaemon/cluster/block_list.h"

namespace dragonfly::dfdaemon {

/// A scheduler as manager or configuration name it.
struct SchedulerEndpoint {
  std::string hostname;
  std::string ip;  ///< Without brackets.
  std::uint16_t port = 0;
  std::uint64_t cluster_id = 0;

  /// `ip:port`, `[ip]:port` for IPv6.
  [[nodiscard]] std::string address() const;

  friend bool operator==(const SchedulerEndpoint&, const SchedulerEndpoint&) = default;
};

/// What a source says of the schedulers.
struct ListedSchedulers {
  std::vector<SchedulerEndpoint> endpoints;
  BlockLists block_lists;
  /// What could not be understood or found, for a warning; may be empty. With it and without
  /// endpoints only the block lists count.
  std::string problem;

  friend bool operator==(const ListedSchedulers&, const ListedSchedulers&) = default;
};

/// Keeps the healthy ones, in order; after the first of them only those of the same cluster.
/// `healthy` has one entry per endpoint.
[[nodiscard]] std::vector<SchedulerEndpoint> SelectUsable(std::span<const SchedulerEndpoint> listed,
                                                          const std::vector<bool>& healthy);

/// The usable schedulers and the ring over them. Immutable.
class SchedulerSet {
 public:
  SchedulerSet() : SchedulerSet(std::vector<SchedulerEndpoint>{}) {}
  /// Endpoints whose address is no IP address are left out.
  explicit SchedulerSet(std::vector<SchedulerEndpoint> endpoints);

  [[nodiscard]] const std::vector<SchedulerEndpoint>& endpoints() const { return endpoints_; }
  /// The scheduler that owns the task. Unavailable "available schedulers not found" when there is
  /// none, InvalidArgument for a task id that is too short.
  [[nodiscard]] absl::StatusOr<SchedulerEndpoint> Pick(const TaskId& task) const;

 private:
  std::vector<SchedulerEndpoint> endpoints_;
  SchedulerRing ring_;
};

/// The last known list on disk, so that a daemon that restarts while the manager is away still
/// knows its schedulers. Both block; errors name the path. Load: NotFound when there is no file,
/// InvalidArgument when it is damaged.
absl::Status SaveSchedulerList(const std::string& path, const ListedSchedulers& listed);
absl::StatusOr<ListedSchedulers> LoadSchedulerList(const std::string& path);

}  // namespace dragonfly::dfdaemon
