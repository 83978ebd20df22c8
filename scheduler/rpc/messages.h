#pragma once

#include <span>

#include "common/base/clock.h"
#include "common/rpc/pb.h"
#include "scheduler.pb.h"
#include "scheduler/rpc/scheduler_metrics.h"
#include "scheduler/selection/dispatcher.h"
#include "scheduler/swarm/times.h"

namespace dragonfly::scheduler {

// Messages in. They have passed Validate().

[[nodiscard]] Registration ToRegistration(const pb::common::Download& download);
/// Fills `report` so that it keeps the memory it has.
void FillReport(const pb::common::Piece& piece, PieceReport& report);
/// Load figures that this announcement leaves out are taken from the `previous` one, which may be
/// null.
[[nodiscard]] HostInfo ToHostInfo(const pb::scheduler::AnnounceHostRequest& request,
                                  const HostInfo* previous);
[[nodiscard]] AnnounceLabels LabelsOf(const pb::common::Host& host);

// Messages out. A task's request headers are not in them: they hold credentials for the source.

/// With `source_pieces`, as StatTask and StatPeer answer; without, as parents are described.
enum class Pieces : std::uint8_t { kLeaveOut, kInclude };
void FillTask(const Task& task, const Times& times, Pieces pieces, pb::common::Task& out);
void FillPeer(const Peer& peer, const Times& times, Pieces pieces, pb::common::Peer& out);
/// As ListHosts answers.
void FillHost(const HostInfo& host, std::uint64_t scheduler_cluster_id, pb::common::Host& out);
[[nodiscard]] pb::scheduler::AnnouncePeerResponse ParentsResponse(
    std::span<const ParentFinder::Candidate> parents, const Times& times);

}  // namespace dragonfly::scheduler
