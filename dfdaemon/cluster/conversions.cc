#include "dfdaemon/cluster/conversions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::int64_t kHundredYears = 3'153'600'000;  // seconds

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

ObjectStorageAccess FromProto(const pb::common::ObjectStorage& message) {
  ObjectStorageAccess access;
  access.region = message.region();
  access.endpoint = message.endpoint();
  access.access_key_id = message.access_key_id();
  access.access_key_secret = message.access_key_secret();
  // OSS calls it security token, S3 session token; a source has use for one of them.
  access.session_token =
      message.has_session_token() ? message.session_token() : message.security_token();
  access.credential_path = message.credential_path();
  access.predefined_acl = message.predefined_acl();
  access.insecure_skip_verify = message.insecure_skip_verify();
  return access;
}

void ToProto(const ObjectStorageAccess& access, std::string_view url,
             pb::common::ObjectStorage& out) {
  // Unset stays unset: an empty text fails the receiver's validation.
  if (!access.region.empty()) out.set_region(access.region);
  if (!access.endpoint.empty()) out.set_endpoint(access.endpoint);
  if (!access.access_key_id.empty()) out.set_access_key_id(access.access_key_id);
  if (!access.access_key_secret.empty()) out.set_access_key_secret(access.access_key_secret);
  if (!access.session_token.empty()) {
    if (url.starts_with("oss:")) {
      out.set_security_token(access.session_token);
    } else {
      out.set_session_token(access.session_token);
    }
  }
  if (!access.credential_path.empty()) out.set_credential_path(access.credential_path);
  if (!access.predefined_acl.empty()) out.set_predefined_acl(access.predefined_acl);
  if (access.insecure_skip_verify) out.set_insecure_skip_verify(true);
}

void SetTimes(pb::common::Peer& peer) {
  // The scheduler that sent these parents knows them by id and uses nothing but the id; the times
  // are there because its validation wants them.
  peer.mutable_cost();
  peer.mutable_created_at();
  peer.mutable_updated_at();
}

}  // namespace

void ToProto(Duration duration, google::protobuf::Duration& out) {
  const auto nanos = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  out.set_seconds(nanos / 1'000'000'000);
  out.set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
}

void ToProto(WallTime time, google::protobuf::Timestamp& out) {
  auto nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  nanos = std::max<std::int64_t>(nanos, 0);
  out.set_seconds(nanos / 1'000'000'000);
  out.set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
}

std::chrono::milliseconds FromProto(const google::protobuf::Duration& duration) {
  const std::int64_t seconds = std::clamp<std::int64_t>(duration.seconds(), 0, kHundredYears);
  const std::int64_t millis = std::clamp(duration.nanos(), 0, 999'999'999) / 1'000'000;
  return std::chrono::seconds(seconds) + std::chrono::milliseconds(millis);
}

absl::StatusOr<DownloadRequest> FromProto(const pb::common::Download& message) {
  DownloadRequest request;
  switch (message.type()) {
    case pb::common::STANDARD:
      request.kind = TaskKind::kStandard;
      break;
    case pb::common::PERSISTENT:
      request.kind = TaskKind::kPersistent;
      break;
    case pb::common::PERSISTENT_CACHE:
      request.kind = TaskKind::kPersistentCache;
      break;
    default:
      return absl::InvalidArgumentError(
          StrCat("task type ", static_cast<int>(message.type()), " is not supported"));
  }
  if (!pb::common::Priority_IsValid(message.priority())) {
    return absl::InvalidArgumentError(
        StrCat("priority ", static_cast<int>(message.priority()), " is not between 0 and 6"));
  }
  request.priority = static_cast<Priority>(message.priority());
  request.url = message.url();
  // Present and empty means "no digest", as the original's tools send it.
  if (message.has_digest() && !message.digest().empty()) request.digest = message.digest();
  if (message.has_range()) {
    request.range = ByteRange{message.range().start(), message.range().length()};
  }
  if (message.has_tag()) request.tag = message.tag();
  if (message.has_application()) request.application = message.application();
  request.filtered_query_params.assign(message.filtered_query_params().begin(),
                                       message.filtered_query_params().end());
  for (const auto& [name, value] : message.request_header()) {
    if (absl::EqualsIgnoreCase(name, "host")) continue;
    request.request_headers.emplace_back(name, value);
  }
  // A map has no order of its own; the source sees the same request every time.
  std::sort(request.request_headers.begin(), request.request_headers.end());
  if (message.has_piece_length()) request.piece_length = message.piece_length();
  if (message.has_output_path()) request.output_path = message.output_path();
  if (message.has_timeout()) request.timeout = FromProto(message.timeout());
  request.disable_back_to_source = message.disable_back_to_source();
  request.need_back_to_source = message.need_back_to_source();
  request.certificate_chain.assign(message.certificate_chain().begin(),
                                   message.certificate_chain().end());
  request.prefetch = message.prefetch();
  request.is_prefetch = message.is_prefetch();
  request.need_piece_content = message.need_piece_content();
  request.force_hard_link = message.force_hard_link();
  request.overwrite = message.overwrite();
  request.metadata_only = message.metadata_only();
  request.enable_task_id_based_blob_digest = message.enable_task_id_based_blob_digest();
  if (message.has_content_for_calculating_task_id()) {
    request.content_for_calculating_task_id = message.content_for_calculating_task_id();
  }
  if (message.has_remote_ip()) request.remote_ip = message.remote_ip();
  if (message.has_object_storage()) request.object_storage = FromProto(message.object_storage());
  return request;
}

void ToProto(const DownloadRequest& request, pb::common::Download& out) {
  out.set_url(request.url);
  if (request.digest) out.set_digest(*request.digest);
  if (request.range) {
    out.mutable_range()->set_start(request.range->start);
    out.mutable_range()->set_length(request.range->length);
  }
  out.set_type(static_cast<pb::common::TaskType>(request.kind));
  if (request.tag) out.set_tag(*request.tag);
  if (request.application) out.set_application(*request.application);
  out.set_priority(static_cast<pb::common::Priority>(request.priority));
  for (const auto& name : request.filtered_query_params) out.add_filtered_query_params(name);
  for (const auto& [name, value] : request.request_headers) {
    (*out.mutable_request_header())[name] = value;
  }
  if (request.piece_length) out.set_piece_length(*request.piece_length);
  if (request.output_path && !request.output_path->empty()) {
    out.set_output_path(*request.output_path);
  }
  if (request.timeout) ToProto(*request.timeout, *out.mutable_timeout());
  out.set_disable_back_to_source(request.disable_back_to_source);
  out.set_need_back_to_source(request.need_back_to_source);
  for (const auto& certificate : request.certificate_chain) out.add_certificate_chain(certificate);
  out.set_prefetch(request.prefetch);
  out.set_is_prefetch(request.is_prefetch);
  out.set_need_piece_content(request.need_piece_content);
  out.set_force_hard_link(request.force_hard_link);
  out.set_overwrite(request.overwrite);
  out.set_metadata_only(request.metadata_only);
  out.set_enable_task_id_based_blob_digest(request.enable_task_id_based_blob_digest);
  if (request.content_for_calculating_task_id) {
    out.set_content_for_calculating_task_id(*request.content_for_calculating_task_id);
  }
  if (request.remote_ip && !request.remote_ip->empty()) out.set_remote_ip(*request.remote_ip);
  if (request.object_storage) {
    ToProto(*request.object_storage, request.url, *out.mutable_object_storage());
  }
}

void ToProto(const PieceRecord& piece, pb::common::Piece& out) {
  out.set_number(piece.number);
  if (!piece.parent_id.empty()) out.set_parent_id(piece.parent_id.str());
  out.set_offset(piece.offset);
  out.set_length(piece.length);
  if (piece.crc32) out.set_digest(FormatPieceDigest(*piece.crc32));
  out.set_traffic_type(static_cast<pb::common::TrafficType>(piece.traffic_type));
  ToProto(std::chrono::duration_cast<Duration>(piece.cost), *out.mutable_cost());
  ToProto(piece.created_at, *out.mutable_created_at());
}

CandidateParent FromProto(const pb::common::Peer& message) {
  CandidateParent parent;
  parent.peer_id = PeerId(message.id());
  parent.host_id = HostId(message.host().id());
  std::string_view ip = message.host().ip();
  if (ip.size() > 2 && ip.front() == '[' && ip.back() == ']') ip = ip.substr(1, ip.size() - 2);
  parent.ip = ip;
  if (message.host().port() > 0 && message.host().port() <= 65535) {
    parent.port = static_cast<std::uint16_t>(message.host().port());
  }
  parent.is_seed = message.host().type() != 0;
  if (message.host().has_network()) parent.network = FromProto(message.host().network());
  return parent;
}

void ToProto(const CandidateParent& parent, const TaskId& task, pb::common::Peer& out) {
  out.set_id(parent.peer_id.str());
  out.set_state("Running");
  out.mutable_task()->set_id(task.str());
  out.mutable_task()->set_url("d7y://task");
  out.mutable_task()->set_state("Running");
  out.mutable_task()->mutable_created_at();
  out.mutable_task()->mutable_updated_at();
  auto& host = *out.mutable_host();
  host.set_id(parent.host_id.str());
  host.set_type(parent.is_seed ? 1 : 0);
  host.set_ip(parent.ip);
  host.set_hostname(parent.ip);
  host.set_port(parent.port);
  host.set_download_port(parent.port);
  SetTimes(out);
}

void ToProto(const NetworkLoad& load, pb::common::Network& out) {
  out.set_max_rx_bandwidth(load.max_rx_bandwidth);
  out.set_rx_bandwidth(load.rx_bandwidth);
  out.set_max_tx_bandwidth(load.max_tx_bandwidth);
  out.set_tx_bandwidth(load.tx_bandwidth);
}

NetworkLoad FromProto(const pb::common::Network& message) {
  return {message.max_rx_bandwidth(), message.rx_bandwidth(), message.max_tx_bandwidth(),
          message.tx_bandwidth()};
}

void ToProto(const HostFacts& facts, pb::common::Host& out) {
  out.set_os(facts.os);
  out.set_platform(facts.platform);
  out.set_platform_family(facts.platform_family);
  out.set_platform_version(facts.platform_version);
  out.set_kernel_version(facts.kernel_version);

  auto& cpu = *out.mutable_cpu();
  cpu.set_logical_count(facts.logical_cpus);
  cpu.set_physical_count(facts.physical_cpus);
  cpu.set_percent(facts.cpu_percent);
  cpu.set_process_percent(facts.process_cpu_percent);
  auto& times = *cpu.mutable_times();
  times.set_user(facts.cpu_times.user);
  times.set_system(facts.cpu_times.system);
  times.set_idle(facts.cpu_times.idle);
  times.set_nice(facts.cpu_times.nice);
  times.set_iowait(facts.cpu_times.iowait);
  times.set_irq(facts.cpu_times.irq);
  times.set_softirq(facts.cpu_times.softirq);
  times.set_steal(facts.cpu_times.steal);
  times.set_guest(facts.cpu_times.guest);
  times.set_guest_nice(facts.cpu_times.guest_nice);

  auto& memory = *out.mutable_memory();
  memory.set_total(facts.memory_total);
  memory.set_available(facts.memory_available);
  memory.set_used(facts.memory_used);
  memory.set_used_percent(facts.memory_used_percent);
  memory.set_process_used_percent(facts.process_memory_percent);
  memory.set_free(facts.memory_free);

  auto& disk = *out.mutable_disk();
  disk.set_total(facts.disk_total);
  disk.set_free(facts.disk_free);
  disk.set_used(facts.disk_used);
  disk.set_used_percent(facts.disk_used_percent);
  disk.set_inodes_total(facts.inodes_total);
  disk.set_inodes_free(facts.inodes_free);
  const std::uint64_t inodes_used =
      facts.inodes_total - std::min(facts.inodes_total, facts.inodes_free);
  disk.set_inodes_used(inodes_used);
  if (facts.inodes_total > 0) {
    disk.set_inodes_used_percent(100.0 * static_cast<double>(inodes_used) /
                                 static_cast<double>(facts.inodes_total));
  }
  disk.set_read_bandwidth(facts.disk_read_bandwidth);
  disk.set_write_bandwidth(facts.disk_write_bandwidth);

  if (facts.cgroup) {
    auto& cgroup_cpu = *cpu.mutable_cgroup();
    cgroup_cpu.set_period(facts.cgroup->cpu_period_us);
    cgroup_cpu.set_quota(facts.cgroup->cpu_quota_us);
    cgroup_cpu.set_used_percent(facts.cgroup->cpu_used_percent);
    auto& cgroup_memory = *memory.mutable_cgroup();
    cgroup_memory.set_limit(facts.cgroup->memory_limit);
    cgroup_memory.set_usage(facts.cgroup->memory_usage);
    cgroup_memory.set_used_percent(facts.cgroup->memory_used_percent);
  }
}

void ToProto(const PeerReport& report, const TaskId& task,
             pb::scheduler::AnnouncePeerRequest& out) {
  // An optional description must not be empty, or a Go scheduler ends the stream.
  const auto describe = [](const std::string& text, auto& message) {
    if (!text.empty()) message.set_description(text);
  };
  std::visit(
      Overloaded{
          [&](const PeerStarted&) { out.mutable_download_peer_started_request(); },
          [&](const PeerBackToSourceStarted& r) {
            describe(r.description, *out.mutable_download_peer_back_to_source_started_request());
          },
          [&](const PeerReschedule& r) {
            auto& message = *out.mutable_reschedule_peer_request();
            for (const auto& parent : r.used) {
              ToProto(parent, task, *message.add_candidate_parents());
            }
            describe(r.description, message);
          },
          [&](const PieceFromParent& r) {
            ToProto(r.piece, *out.mutable_download_piece_finished_request()->mutable_piece());
          },
          [&](const PieceFromSource& r) {
            ToProto(r.piece,
                    *out.mutable_download_piece_back_to_source_finished_request()->mutable_piece());
          },
          [&](const PieceFromParentFailed& r) {
            auto& message = *out.mutable_download_piece_failed_request();
            message.set_piece_number(r.number);
            message.set_parent_id(r.parent_id.str());
            message.set_temporary(true);
          },
          [&](const PieceFromSourceFailed& r) {
            auto& backend =
                *out.mutable_download_piece_back_to_source_failed_request()->mutable_backend();
            backend.set_message(r.error.message);
            for (const auto& [name, value] : r.error.headers) {
              (*backend.mutable_header())[name] = value;
            }
            if (r.error.status_code && *r.error.status_code >= 100 && *r.error.status_code < 599) {
              backend.set_status_code(*r.error.status_code);
            }
          },
          [&](const PeerFinished&) { out.mutable_download_peer_finished_request(); },
          [&](const PeerBackToSourceFinished&) {
            out.mutable_download_peer_back_to_source_finished_request();
          },
          [&](const PeerFailed& r) {
            describe(r.description, *out.mutable_download_peer_failed_request());
          },
          [&](const PeerBackToSourceFailed& r) {
            describe(r.description, *out.mutable_download_peer_back_to_source_failed_request());
          },
      },
      report);
}

absl::StatusOr<ScheduleDecision> FromProto(const pb::scheduler::AnnouncePeerResponse& message) {
  switch (message.response_case()) {
    case pb::scheduler::AnnouncePeerResponse::kEmptyTaskResponse:
      return EmptyTask{};
    case pb::scheduler::AnnouncePeerResponse::kMetadataOnlyResponse:
      return MetadataOnly{};
    case pb::scheduler::AnnouncePeerResponse::kNormalTaskResponse: {
      DownloadFromParents decision;
      for (const auto& peer : message.normal_task_response().candidate_parents()) {
        decision.candidates.push_back(FromProto(peer));
      }
      return decision;
    }
    case pb::scheduler::AnnouncePeerResponse::kNeedBackToSourceResponse:
      return DownloadFromSource{message.need_back_to_source_response().description()};
    case pb::scheduler::AnnouncePeerResponse::RESPONSE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("the scheduler answered without a decision");
}

}  // namespace dragonfly::dfdaemon
