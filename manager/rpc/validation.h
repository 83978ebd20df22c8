#pragma once

#include "absl/status/status.h"
#include "common/rpc/pb.h"
#include "manager.pb.h"

namespace dragonfly::manager {

// The rules of the API's messages (see proto/manager.proto). Daemons of all versions obey them, so
// a message that does not is a mistake worth naming: InvalidArgument "invalid <Message>.<field>:
// <rule>".

absl::Status Validate(const pb::manager::GetSeedPeerRequest& request);
absl::Status Validate(const pb::manager::ListSeedPeersRequest& request);
absl::Status Validate(const pb::manager::UpdateSeedPeerRequest& request);
absl::Status Validate(const pb::manager::DeleteSeedPeerRequest& request);
absl::Status Validate(const pb::manager::GetSchedulerRequest& request);
absl::Status Validate(const pb::manager::UpdateSchedulerRequest& request);
absl::Status Validate(const pb::manager::ListSchedulersRequest& request);
absl::Status Validate(const pb::manager::ListApplicationsRequest& request);
absl::Status Validate(const pb::manager::KeepAliveRequest& request);

}  // namespace dragonfly::manager
