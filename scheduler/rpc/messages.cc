#include "scheduler/rpc/messages.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_split.h"
#include "common/base/strings.h"
#include "common/rpc/time.h"

namespace dragonfly::scheduler {
namespace {

std::int64_t ToSigned(std::uint64_t value) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return value > kMax ? -1 : static_cast<std::int64_t>(value);
}

TaskKind ToKind(pb::common::TaskType type) {
  switch (type) {
    case pb::common::PERSISTENT:
      return TaskKind::kPersistent;
    case pb::common::PERSISTENT_CACHE:
      return TaskKind::kPersistentCache;
    default:
      return TaskKind::kStandard;
  }
}

void FillSourcePieces(const Task& task, pb::common::Task& out) {
  out.mutable_pieces()->Reserve(static_cast<int>(task.source_pieces().size()));
  for (const SourcePiece& piece : task.source_pieces()) {
    pb::common::Piece& to = *out.add_pieces();
    to.set_number(piece.number);
    to.set_offset(piece.offset);
    to.set_length(piece.length);
    to.set_digest(piece.digest);
    to.set_traffic_type(pb::common::BACK_TO_SOURCE);
    *to.mutable_cost() = rpc::ToProto(piece.cost);
    *to.mutable_created_at() = rpc::ToProto(piece.created_at);
  }
}

// A daemon that can have a peer as parent and child at once says so in the build metadata of its
// version (`0.1.0+trades`), which no other reader of that field looks into.
bool Trades(std::string_view version) {
  const std::size_t metadata = version.find('+');
  if (metadata == std::string_view::npos) return false;
  const auto identifiers = absl::StrSplit(ToAbsl(version.substr(metadata + 1)), '.');
  return std::any_of(identifiers.begin(), identifiers.end(),
                     [](absl::string_view id) { return id == "trades"; });
}

// In a container the limits of its group count where they are nearer than those of the machine.
MachineLoad LoadOf(const pb::common::Host& host) {
  MachineLoad load;
  load.cpu_percent = static_cast<float>(
      std::max(host.cpu().percent(), host.cpu().cgroup().used_percent()));
  load.memory_percent = static_cast<float>(
      std::max(host.memory().used_percent(), host.memory().cgroup().used_percent()));
  load.disk_percent = static_cast<float>(host.disk().used_percent());
  load.disk_bandwidth = host.disk().read_bandwidth() + host.disk().write_bandwidth();
  return load;
}

}  // namespace

Registration ToRegistration(const pb::common::Download& download) {
  Registration registration;
  TaskSpec& task = registration.task;
  task.kind = ToKind(download.type());
  task.url = download.url();
  task.digest = download.digest();
  task.tag = download.tag();
  task.application = download.application();
  task.filtered_query_params.assign(download.filtered_query_params().begin(),
                                    download.filtered_query_params().end());
  task.piece_length = download.actual_piece_length();
  task.content_length = ToSigned(download.actual_content_length());
  task.piece_count = ToSigned(download.actual_piece_count());

  PeerSpec& peer = registration.peer;
  peer.priority = static_cast<Priority>(download.priority());
  if (download.has_range()) {
    peer.range = ByteRange{download.range().start(), download.range().length()};
  }
  if (download.has_concurrent_piece_count()) {
    peer.concurrent_piece_count = download.concurrent_piece_count();
  }
  peer.disable_back_to_source = download.disable_back_to_source();

  registration.need_back_to_source = download.need_back_to_source();
  registration.metadata_only = download.metadata_only();
  registration.download = download.SerializeAsString();
  return registration;
}

void FillReport(const pb::common::Piece& piece, PieceReport& report) {
  report.number = piece.number();
  report.parent_id.assign(piece.parent_id());
  report.offset = piece.offset();
  report.length = piece.length();
  report.digest.assign(piece.digest());
  report.traffic = static_cast<TrafficType>(piece.traffic_type());
  report.cost = rpc::FromProto(piece.cost());
  report.created_at = rpc::FromProto(piece.created_at());
}

HostInfo ToHostInfo(const pb::scheduler::AnnounceHostRequest& request, const HostInfo* previous) {
  pb::common::Host host = request.host();
  if (previous != nullptr) {
    pb::common::Host old;
    if (old.ParseFromString(previous->announced)) {
      if (!host.has_cpu() && old.has_cpu()) *host.mutable_cpu() = old.cpu();
      if (!host.has_memory() && old.has_memory()) *host.mutable_memory() = old.memory();
      if (!host.has_network() && old.has_network()) *host.mutable_network() = old.network();
      if (!host.has_disk() && old.has_disk()) *host.mutable_disk() = old.disk();
      if (!host.has_build() && old.has_build()) *host.mutable_build() = old.build();
    }
  }
  HostInfo info;
  info.id = HostId(host.id());
  info.type = static_cast<HostType>(host.type());
  info.hostname = host.hostname();
  info.ip = host.ip();
  info.port = static_cast<std::uint16_t>(host.port());
  info.download_port = static_cast<std::uint16_t>(host.download_port());
  info.disable_shared = host.disable_shared();
  info.trades = Trades(host.build().git_version());
  info.idc = host.network().idc();
  info.location = host.network().location();
  info.max_tx_bandwidth = host.network().max_tx_bandwidth();
  info.load = LoadOf(host);
  info.announce_interval = rpc::FromProto(request.interval());
  // Parents are described without these two.
  host.clear_scheduler_cluster_id();
  host.clear_disable_shared();
  info.announced = host.SerializeAsString();
  return info;
}

AnnounceLabels LabelsOf(const pb::common::Host& host) {
  AnnounceLabels labels;
  labels.os = host.os();
  labels.platform = host.platform();
  labels.platform_family = host.platform_family();
  labels.platform_version = host.platform_version();
  labels.kernel_version = host.kernel_version();
  labels.git_version = host.build().git_version();
  labels.git_commit = host.build().git_commit();
  labels.go_version = host.build().go_version();
  labels.build_platform = host.build().platform();
  return labels;
}

void FillTask(const Task& task, const Times& times, Pieces pieces, pb::common::Task& out) {
  const TaskSpec& spec = task.spec();
  out.set_id(task.id().str());
  out.set_type(static_cast<pb::common::TaskType>(spec.kind));
  out.set_url(spec.url);
  if (!spec.digest.empty()) out.set_digest(spec.digest);
  out.set_tag(spec.tag);
  out.set_application(spec.application);
  for (const std::string& param : spec.filtered_query_params) out.add_filtered_query_params(param);
  // An unknown length travels as 2^64-1.
  out.set_content_length(static_cast<std::uint64_t>(spec.content_length));
  out.set_piece_count(static_cast<std::uint32_t>(spec.piece_count));
  out.set_size_scope(static_cast<pb::common::SizeScope>(task.size_scope()));
  out.set_state(std::string(Name(task.state())));
  out.set_peer_count(static_cast<std::uint32_t>(task.peer_count()));
  *out.mutable_created_at() = rpc::ToProto(times.ToWall(task.created()));
  *out.mutable_updated_at() = rpc::ToProto(times.ToWall(task.updated));
  if (pieces == Pieces::kInclude) {
    FillSourcePieces(task, out);
    out.set_has_available_peer(task.HasAvailablePeer());
  }
}

void FillPeer(const Peer& peer, const Times& times, Pieces pieces, pb::common::Peer& out) {
  out.set_id(peer.id().str());
  if (peer.spec().range.has_value()) {
    out.mutable_range()->set_start(peer.spec().range->start);
    out.mutable_range()->set_length(peer.spec().range->length);
  }
  out.set_priority(static_cast<pb::common::Priority>(peer.spec().priority));
  *out.mutable_cost() = rpc::ToProto(peer.cost);
  out.set_state(std::string(Name(peer.state())));
  FillTask(peer.task(), times, pieces, *out.mutable_task());
  // Our own bytes; they always parse.
  (void)out.mutable_host()->ParseFromString(peer.host_info().announced);
  out.set_need_back_to_source(peer.need_back_to_source);
  *out.mutable_created_at() = rpc::ToProto(times.ToWall(peer.created()));
  *out.mutable_updated_at() = rpc::ToProto(times.ToWall(peer.updated));
  out.set_concurrent_piece_count(peer.spec().concurrent_piece_count);
}

void FillHost(const HostInfo& host, std::uint64_t scheduler_cluster_id, pb::common::Host& out) {
  (void)out.ParseFromString(host.announced);
  out.set_scheduler_cluster_id(scheduler_cluster_id);
  out.set_disable_shared(host.disable_shared);
}

pb::scheduler::AnnouncePeerResponse ParentsResponse(
    std::span<const ParentFinder::Candidate> parents, const Times& times) {
  pb::scheduler::AnnouncePeerResponse response;
  auto& normal = *response.mutable_normal_task_response();
  for (const ParentFinder::Candidate& parent : parents) {
    FillPeer(*parent.peer, times, Pieces::kLeaveOut, *normal.add_candidate_parents());
  }
  return response;
}

}  // namespace dragonfly::scheduler
