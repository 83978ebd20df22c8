#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"

namespace dragonfly::manager {

// Rows of the database as the rest of the manager sees them. Members are named after the columns;
// what ends in `_json` is JSON text as stored, "null" where the column is NULL.

enum class State : std::uint8_t { kInactive, kActive };

struct SchedulerCluster {
  std::uint64_t id = 0;
  std::string name;
  std::string bio;
  std::string config_json;
  std::string client_config_json;
  std::string seed_client_config_json;
  std::string scopes_json;
  bool is_default = false;
};

struct SeedPeerCluster {
  std::uint64_t id = 0;
  std::string name;
  std::string bio;
  std::string config_json;
};

/// Which seed peer cluster serves which scheduler cluster.
struct ClusterLink {
  std::uint64_t scheduler_cluster_id = 0;
  std::uint64_t seed_peer_cluster_id = 0;
};

struct Scheduler {
  std::uint64_t id = 0;
  std::string host_name;
  std::string idc;
  std::string location;
  std::string ip;
  std::int32_t port = 0;
  State state = State::kInactive;
  std::string config_json;
  std::string features_json;
  std::optional<WallTime> last_keep_alive_at;
  std::uint64_t scheduler_cluster_id = 0;
};

struct SeedPeer {
  std::uint64_t id = 0;
  std::string host_name;
  std::string type;
  std::string idc;
  std::string location;
  std::string ip;
  std::int32_t port = 0;
  std::int32_t download_port = 0;
  State state = State::kInactive;
  std::uint64_t seed_peer_cluster_id = 0;
};

struct Application {
  std::uint64_t id = 0;
  std::string name;
  std::string url;
  std::string bio;
  std::string priority_json;
};

/// Everything that daemons may ask for, read at one moment, each list in the order of ids. Small:
/// clusters and their schedulers, not the hosts.
struct Topology {
  std::vector<SchedulerCluster> scheduler_clusters;
  std::vector<SeedPeerCluster> seed_peer_clusters;
  std::vector<ClusterLink> links;
  std::vector<Scheduler> schedulers;
  std::vector<SeedPeer> seed_peers;
  std::vector<Application> applications;
};

}  // namespace dragonfly::manager
