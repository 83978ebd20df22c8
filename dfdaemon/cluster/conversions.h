#pragma once

// Between the messages of proto/ and the structs the daemon works with. Values from outside are
// checked here only for what the structs cannot hold; callers check meaning.

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common.pb.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/rpc/pb.h"
#include "dfdaemon/cluster/host_facts.h"
#include "dfdaemon/cluster/scheduler_client.h"
#include "dfdaemon/storage/storage.h"
#include "scheduler.pb.h"

namespace dragonfly::dfdaemon {

void ToProto(Duration duration, google::protobuf::Duration& out);
void ToProto(WallTime time, google::protobuf::Timestamp& out);
/// Negative and absurd durations become 0 and 100 years.
[[nodiscard]] std::chrono::milliseconds FromProto(const google::protobuf::Duration& duration);

/// InvalidArgument for a task type or priority outside the enumeration. A `host` header is dropped:
/// it belongs to the connection to this daemon, not to the source.
[[nodiscard]] absl::StatusOr<DownloadRequest> FromProto(const pb::common::Download& message);
/// The caller's request as a scheduler gets it.
void ToProto(const DownloadRequest& request, pb::common::Download& out);

/// Never carries content. `cost` and `created_at` are always set: Go schedulers end the stream
/// without them.
void ToProto(const PieceRecord& piece, pb::common::Piece& out);

[[nodiscard]] CandidateParent FromProto(const pb::common::Peer& message);
/// With every field that a Go scheduler's validation asks for in a candidate parent.
void ToProto(const CandidateParent& parent, const TaskId& task, pb::common::Peer& out);

void ToProto(const NetworkLoad& load, pb::common::Network& out);
[[nodiscard]] NetworkLoad FromProto(const pb::common::Network& message);

void ToProto(const HostFacts& facts, pb::common::Host& out);

/// Fills everything of an AnnouncePeer message but the registration.
void ToProto(const PeerReport& report, const TaskId& task, pb::scheduler::AnnouncePeerRequest& out);
/// InvalidArgument for an answer without content.
[[nodiscard]] absl::StatusOr<ScheduleDecision> FromProto(
    const pb::scheduler::AnnouncePeerResponse& message);

}  // namespace dragonfly::dfdaemon
