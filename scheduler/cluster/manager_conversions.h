#pragma once

#include "common/rpc/pb.h"
#include "manager.pb.h"
#include "scheduler/cluster/dynamic_config.h"

namespace dragonfly::scheduler {

/// What the manager says of us and our cluster. Numbers that are absent, 0 or no numbers keep their
/// defaults; others are cut to their bounds.
DynamicConfig FromProto(const pb::manager::Scheduler& scheduler,
                        const pb::manager::ListApplicationsResponse& applications);

}  // namespace dragonfly::scheduler
