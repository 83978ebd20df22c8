#pragma once

#include <string>
#include <string_view>

#include "common/rpc/pb.h"
#include "manager.pb.h"
#include "manager/clusters/cluster_snapshot.h"
#include "manager/database/database.h"
#include "manager/database/models.h"

namespace dragonfly::manager {

// Messages from and to what the manager works with.

/// Features of a scheduler that names none: Go manager/types/scheduler.go, v2.4.0.
inline constexpr std::string_view kDefaultFeatures = R"(["schedule","preheat"])";

MemberKey KeyOf(const pb::manager::KeepAliveRequest& request);
/// InvalidArgument when `config` is no JSON.
absl::StatusOr<SchedulerRegistration> FromProto(const pb::manager::UpdateSchedulerRequest& request);
SeedPeerRegistration FromProto(const pb::manager::UpdateSeedPeerRequest& request);
HostQuery QueryOf(const pb::manager::ListSchedulersRequest& request);

/// The row alone, without cluster and seed peers.
void ToProto(const Scheduler& row, pb::manager::Scheduler& message);
void ToProto(const SeedPeer& row, pb::manager::SeedPeer& message);
/// Config texts are always JSON objects: daemons since client v1.2.11 do not start without.
void ToProto(const SchedulerCluster& row, pb::manager::SchedulerCluster& message);
void ToProto(const SeedPeerCluster& row, pb::manager::SeedPeerCluster& message);
void ToProto(const Application& row, pb::manager::Application& message);

/// The row with cluster and active seed peers.
void ToProto(const ClusterSnapshot& snapshot, const Scheduler& row,
             pb::manager::Scheduler& message);

/// JSON text of an object without null members, `{}` for what is no object. A null list in a block
/// list makes Rust clients throw away the whole configuration; an absent one is empty for them.
std::string WithoutNulls(std::string_view json);

}  // namespace dragonfly::manager
