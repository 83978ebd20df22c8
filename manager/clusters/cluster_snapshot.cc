#include "manager/clusters/cluster_snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "common/base/strings.h"
#include "manager/clusters/json_text.h"

namespace dragonfly::manager {
namespace {

template <class Rows, class Predicate>
auto PointersWhere(const Rows& rows, Predicate predicate) {
  std::vector<const typename Rows::value_type*> result;
  for (const auto& row : rows) {
    if (predicate(row)) result.push_back(&row);
  }
  return result;
}

template <class Rows>
const typename Rows::value_type* FindById(const Rows& rows, std::uint64_t id) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [id](const auto& row) { return row.id == id; });
  return found == rows.end() ? nullptr : &*found;
}

bool SameHost(std::string_view a, std::string_view b) {
  return absl::EqualsIgnoreCase(ToAbsl(a), ToAbsl(b));
}

/// The row with the right address, else the first with the right name and cluster: a daemon that
/// asks before it registered under its new address still finds itself.
template <class Rows, class ClusterOf>
const typename Rows::value_type* FindMember(const Rows& rows, const MemberKey& key,
                                            ClusterOf cluster_of) {
  const typename Rows::value_type* other_address = nullptr;
  for (const auto& row : rows) {
    if (cluster_of(row) != key.cluster_id || !SameHost(row.host_name, key.host_name)) continue;
    if (key.ip.empty() || row.ip == key.ip) return &row;
    if (other_address == nullptr) other_address = &row;
  }
  return other_address;
}

}  // namespace

bool HasScheduleFeature(std::string_view features_json) {
  const auto features = ParseJsonText(features_json);
  return features.is_array() &&
         std::find(features.begin(), features.end(), "schedule") != features.end();
}

ClusterSnapshot::ClusterSnapshot(Topology topology) : topology_(std::move(topology)) {
  matchers_.reserve(topology_.scheduler_clusters.size());
  for (const SchedulerCluster& cluster : topology_.scheduler_clusters) {
    const ClusterMatcher& matcher = matchers_.emplace_back(cluster.scopes_json, cluster.is_default);
    for (const std::string& problem : matcher.problems()) {
      problems_.push_back(StrCat("scheduler cluster ", cluster.name, ": ", problem));
    }
  }
  for (const Scheduler& scheduler : topology_.schedulers) {
    if (scheduler.state == State::kActive && HasScheduleFeature(scheduler.features_json)) {
      scheduling_.insert(scheduler.id);
    }
  }
}

ClusterSnapshot::SearchResult ClusterSnapshot::Search(const HostQuery& host) const {
  struct Candidate {
    double score;
    std::uint64_t cluster_id;
    std::vector<const Scheduler*> schedulers;
  };
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < matchers_.size(); ++i) {
    const std::uint64_t cluster = topology_.scheduler_clusters[i].id;
    auto schedulers = PointersWhere(topology_.schedulers, [&](const Scheduler& scheduler) {
      return scheduler.scheduler_cluster_id == cluster && scheduling_.contains(scheduler.id);
    });
    if (!schedulers.empty()) {
      candidates.push_back({matchers_[i].Score(host), cluster, std::move(schedulers)});
    }
  }
  SearchResult result;
  if (candidates.empty()) {
    result.fell_back = true;
    result.schedulers = PointersWhere(topology_.schedulers, [](const Scheduler& scheduler) {
      return scheduler.state == State::kActive;
    });
    return result;
  }
  // Equal clusters in the order of ids, so that all hosts of a place agree.
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.cluster_id < b.cluster_id;
  });
  for (const Candidate& candidate : candidates) {
    result.schedulers.insert(result.schedulers.end(), candidate.schedulers.begin(),
                             candidate.schedulers.end());
  }
  return result;
}

std::vector<const Scheduler*> ClusterSnapshot::SchedulersOf(std::uint64_t cluster_id) const {
  return PointersWhere(topology_.schedulers, [cluster_id](const Scheduler& scheduler) {
    return scheduler.scheduler_cluster_id == cluster_id;
  });
}

const Scheduler* ClusterSnapshot::FindScheduler(const MemberKey& key) const {
  return FindMember(topology_.schedulers, key,
                    [](const Scheduler& row) { return row.scheduler_cluster_id; });
}

const SeedPeer* ClusterSnapshot::FindSeedPeer(const MemberKey& key) const {
  return FindMember(topology_.seed_peers, key,
                    [](const SeedPeer& row) { return row.seed_peer_cluster_id; });
}

const SeedPeer* ClusterSnapshot::FindSeedPeerOfHost(std::string_view host_name,
                                                    std::string_view ip) const {
  const auto found = std::find_if(
      topology_.seed_peers.begin(), topology_.seed_peers.end(),
      [&](const SeedPeer& row) { return SameHost(row.host_name, host_name) && row.ip == ip; });
  return found == topology_.seed_peers.end() ? nullptr : &*found;
}

const SchedulerCluster* ClusterSnapshot::FindSchedulerCluster(std::uint64_t id) const {
  return FindById(topology_.scheduler_clusters, id);
}

const SeedPeerCluster* ClusterSnapshot::FindSeedPeerCluster(std::uint64_t id) const {
  return FindById(topology_.seed_peer_clusters, id);
}

std::vector<const SeedPeer*> ClusterSnapshot::ActiveSeedPeersOf(
    std::uint64_t seed_peer_cluster_id) const {
  return PointersWhere(topology_.seed_peers, [=](const SeedPeer& row) {
    return row.seed_peer_cluster_id == seed_peer_cluster_id && row.state == State::kActive;
  });
}

std::vector<const SeedPeer*> ClusterSnapshot::SeedPeersFor(
    std::uint64_t scheduler_cluster_id) const {
  std::vector<const SeedPeer*> result;
  for (const ClusterLink& link : topology_.links) {
    if (link.scheduler_cluster_id != scheduler_cluster_id) continue;
    const auto peers = ActiveSeedPeersOf(link.seed_peer_cluster_id);
    result.insert(result.end(), peers.begin(), peers.end());
  }
  return result;
}

std::vector<const Scheduler*> ClusterSnapshot::SchedulersFor(
    std::uint64_t seed_peer_cluster_id) const {
  std::vector<const Scheduler*> result;
  for (const ClusterLink& link : topology_.links) {
    if (link.seed_peer_cluster_id != seed_peer_cluster_id) continue;
    for (const Scheduler* scheduler : SchedulersOf(link.scheduler_cluster_id)) {
      if (scheduler->state == State::kActive) result.push_back(scheduler);
    }
  }
  return result;
}

}  // namespace dragonfly::manager
