#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "scheduler/swarm/state_changes.h"

namespace dragonfly::scheduler {

// Records as JSON; docs/formats/scheduler-state.md. Times are Unix milliseconds.

[[nodiscard]] std::string Encode(const HostInfo& host);
[[nodiscard]] std::string Encode(const TaskRecord& task);
[[nodiscard]] std::string Encode(const PeerRecord& peer);

// DataLoss: not one of ours.

[[nodiscard]] absl::StatusOr<HostInfo> DecodeHost(std::string_view text);
[[nodiscard]] absl::StatusOr<TaskRecord> DecodeTask(std::string_view text);
[[nodiscard]] absl::StatusOr<PeerRecord> DecodePeer(std::string_view text);

/// `0-255`, `0-3,7,9-10`; empty for none.
[[nodiscard]] std::string EncodePieces(const PieceSet& pieces);
[[nodiscard]] absl::StatusOr<PieceSet> DecodePieces(std::string_view text);

}  // namespace dragonfly::scheduler
