#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "manager/clusters/cluster_matcher.h"
#include "manager/database/database.h"
#include "manager/database/models.h"

namespace dragonfly::manager {

/// The topology of one moment and the questions that daemons ask of it. Immutable, so any thread
/// may use it; pointers it returns live as long as it.
class ClusterSnapshot {
 public:
  explicit ClusterSnapshot(Topology topology);
  ClusterSnapshot(const ClusterSnapshot&) = delete;
  ClusterSnapshot& operator=(const ClusterSnapshot&) = delete;

  [[nodiscard]] const Topology& topology() const { return topology_; }
  /// What could not be understood in the scopes of clusters.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

  struct SearchResult {
    /// Cluster by cluster, the best first, each in the order of ids.
    std::vector<const Scheduler*> schedulers;
    /// No cluster had an active scheduler with the feature `schedule`, so these are the active ones
    /// of all clusters, in no special order.
    bool fell_back = false;
  };
  /// Schedulers for a host that names no cluster.
  [[nodiscard]] SearchResult Search(const HostQuery& host) const;
  /// All schedulers of a cluster, whatever their state and features.
  [[nodiscard]] std::vector<const Scheduler*> SchedulersOf(std::uint64_t cluster_id) const;

  /// The row of that host name and cluster, if possible with that address; null when there is none.
  [[nodiscard]] const Scheduler* FindScheduler(const MemberKey& key) const;
  [[nodiscard]] const SeedPeer* FindSeedPeer(const MemberKey& key) const;
  /// By host name and address in any cluster.
  [[nodiscard]] const SeedPeer* FindSeedPeerOfHost(std::string_view host_name,
                                                   std::string_view ip) const;

  /// Null when there is no such cluster.
  [[nodiscard]] const SchedulerCluster* FindSchedulerCluster(std::uint64_t id) const;
  [[nodiscard]] const SeedPeerCluster* FindSeedPeerCluster(std::uint64_t id) const;

  /// Active seed peers of the seed peer clusters that serve a scheduler cluster.
  [[nodiscard]] std::vector<const SeedPeer*> SeedPeersFor(std::uint64_t scheduler_cluster_id) const;
  [[nodiscard]] std::vector<const SeedPeer*> ActiveSeedPeersOf(
      std::uint64_t seed_peer_cluster_id) const;
  /// Active schedulers of the scheduler clusters that a seed peer cluster serves.
  [[nodiscard]] std::vector<const Scheduler*> SchedulersFor(
      std::uint64_t seed_peer_cluster_id) const;

 private:
  const Topology topology_;
  /// Parallel to topology_.scheduler_clusters.
  std::vector<ClusterMatcher> matchers_;
  /// Ids of active schedulers that take downloads.
  absl::flat_hash_set<std::uint64_t> scheduling_;
  std::vector<std::string> problems_;
};

/// Whether a JSON list of features contains `schedule`.
bool HasScheduleFeature(std::string_view features_json);

}  // namespace dragonfly::manager
