#include "scheduler/rpc/validation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <boost/asio/ip/address.hpp>

#include "absl/strings/ascii.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "common/ids/piece_math.h"

namespace dragonfly::scheduler {
namespace {

absl::Status Invalid(std::string_view message, std::string_view field, std::string_view reason) {
  return absl::InvalidArgumentError(StrCat("invalid ", message, ".", field, ": ", reason));
}

absl::Status NotEmpty(std::string_view message, std::string_view field, std::string_view value) {
  if (!value.empty()) return absl::OkStatus();
  return Invalid(message, field, "value length must be at least 1 runes");
}

bool IsIp(const std::string& text) {
  boost::system::error_code error;
  boost::asio::ip::make_address(text, error);
  return !error;
}

bool IsUri(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  if (!absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  const bool scheme = std::ranges::all_of(text.substr(0, colon), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
  });
  const bool clean = std::ranges::none_of(
      text, [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
  return scheme && clean;
}

bool IsDigest(std::string_view text) {
  // Nearly all are of pieces, and come by the thousand.
  constexpr std::string_view kCrc32 = "crc32:";
  if (text.starts_with(kCrc32)) {
    const std::string_view digits = text.substr(kCrc32.size());
    return !digits.empty() && std::ranges::all_of(digits, [](char c) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(c));
    });
  }
  return ParseDigest(text).ok();
}

absl::Status ValidatePiece(const pb::common::Piece& piece) {
  if (piece.has_parent_id()) RETURN_IF_ERROR(NotEmpty("Piece", "ParentId", piece.parent_id()));
  if (!piece.digest().empty() && !IsDigest(piece.digest())) {
    return Invalid("Piece", "Digest", "value does not match regex pattern");
  }
  if (piece.has_traffic_type() && !pb::common::TrafficType_IsValid(piece.traffic_type())) {
    return Invalid("Piece", "TrafficType", "value must be one of the defined enum values");
  }
  if (!piece.has_cost()) return Invalid("Piece", "Cost", "value is required");
  if (!piece.has_created_at()) return Invalid("Piece", "CreatedAt", "value is required");
  return absl::OkStatus();
}

absl::Status ValidateDownload(const pb::common::Download& download) {
  constexpr std::string_view kName = "Download";
  if (!IsUri(download.url())) return Invalid(kName, "Url", "value must be absolute");
  if (download.has_digest() && !IsDigest(download.digest())) {
    return Invalid(kName, "Digest", "value does not match regex pattern");
  }
  if (!pb::common::TaskType_IsValid(download.type())) {
    return Invalid(kName, "Type", "value must be one of the defined enum values");
  }
  if (!pb::common::Priority_IsValid(download.priority())) {
    return Invalid(kName, "Priority", "value must be one of the defined enum values");
  }
  if (download.has_piece_length() && (download.piece_length() < kMinPieceLength ||
                                      download.piece_length() > kMaxPieceLength)) {
    return Invalid(kName, "PieceLength", "value must be inside range [4194304, 67108864]");
  }
  if (download.has_output_path()) {
    RETURN_IF_ERROR(NotEmpty(kName, "OutputPath", download.output_path()));
  }
  if (download.has_remote_ip() && !IsIp(download.remote_ip())) {
    return Invalid(kName, "RemoteIp", "value must be a valid IP address");
  }
  return absl::OkStatus();
}

/// Messages that carry nothing but an optional reason.
template <class Message>
absl::Status ValidateReason(std::string_view name, const Message& message) {
  if (!message.has_description()) return absl::OkStatus();
  return NotEmpty(name, "Description", message.description());
}

absl::Status AtLeastZero(std::string_view message, std::string_view field, double value) {
  if (value >= 0) return absl::OkStatus();
  return Invalid(message, field, "value must be greater than or equal to 0");
}

absl::Status Percent(std::string_view message, std::string_view field, double value) {
  if (value >= 0 && value <= 100) return absl::OkStatus();
  return Invalid(message, field, "value must be inside range [0, 100]");
}

absl::Status Port(std::string_view field, std::int32_t port) {
  if (port >= 1024 && port < 65535) return absl::OkStatus();
  return Invalid("Host", field, "value must be inside range [1024, 65535)");
}

absl::Status ValidateLoad(const pb::common::Host& host) {
  const pb::common::CPU& cpu = host.cpu();
  RETURN_IF_ERROR(AtLeastZero("CPU", "Percent", cpu.percent()));
  RETURN_IF_ERROR(AtLeastZero("CPU", "ProcessPercent", cpu.process_percent()));
  for (const double time :
       {cpu.times().user(), cpu.times().system(), cpu.times().idle(), cpu.times().nice(),
        cpu.times().iowait(), cpu.times().irq(), cpu.times().softirq(), cpu.times().steal(),
        cpu.times().guest(), cpu.times().guest_nice()}) {
    RETURN_IF_ERROR(AtLeastZero("CPUTimes", "User", time));
  }
  RETURN_IF_ERROR(Percent("Memory", "UsedPercent", host.memory().used_percent()));
  RETURN_IF_ERROR(Percent("Memory", "ProcessUsedPercent", host.memory().process_used_percent()));
  RETURN_IF_ERROR(Percent("Disk", "UsedPercent", host.disk().used_percent()));
  return Percent("Disk", "InodesUsedPercent", host.disk().inodes_used_percent());
}

}  // namespace

absl::Status ValidateIds(
    std::string_view message,
    std::initializer_list<std::pair<std::string_view, std::string_view>> ids) {
  for (const auto& [field, value] : ids) RETURN_IF_ERROR(NotEmpty(message, field, value));
  return absl::OkStatus();
}

absl::Status Validate(const pb::scheduler::AnnouncePeerRequest& request) {
  using Request = pb::scheduler::AnnouncePeerRequest;
  constexpr std::string_view kName = "AnnouncePeerRequest";
  RETURN_IF_ERROR(ValidateIds(kName, {{"HostId", request.host_id()},
                                      {"TaskId", request.task_id()},
                                      {"PeerId", request.peer_id()}}));
  switch (request.request_case()) {
    case Request::kRegisterPeerRequest:
      if (!request.register_peer_request().has_download()) {
        return Invalid("RegisterPeerRequest", "Download", "value is required");
      }
      return ValidateDownload(request.register_peer_request().download());
    case Request::kDownloadPeerStartedRequest:
    case Request::kDownloadPeerFinishedRequest:
    case Request::kDownloadPeerBackToSourceFinishedRequest:
      return absl::OkStatus();
    case Request::kDownloadPeerBackToSourceStartedRequest:
      return ValidateReason("DownloadPeerBackToSourceStartedRequest",
                            request.download_peer_back_to_source_started_request());
    case Request::kReschedulePeerRequest:
      for (const pb::common::Peer& parent : request.reschedule_peer_request().candidate_parents()) {
        RETURN_IF_ERROR(NotEmpty("Peer", "Id", parent.id()));
      }
      return ValidateReason("ReschedulePeerRequest", request.reschedule_peer_request());
    case Request::kDownloadPeerFailedRequest:
      return ValidateReason("DownloadPeerFailedRequest", request.download_peer_failed_request());
    case Request::kDownloadPeerBackToSourceFailedRequest:
      return ValidateReason("DownloadPeerBackToSourceFailedRequest",
                            request.download_peer_back_to_source_failed_request());
    case Request::kDownloadPieceFinishedRequest:
      if (!request.download_piece_finished_request().has_piece()) {
        return Invalid("DownloadPieceFinishedRequest", "Piece", "value is required");
      }
      return ValidatePiece(request.download_piece_finished_request().piece());
    case Request::kDownloadPieceBackToSourceFinishedRequest:
      if (!request.download_piece_back_to_source_finished_request().has_piece()) {
        return Invalid("DownloadPieceBackToSourceFinishedRequest", "Piece", "value is required");
      }
      return ValidatePiece(request.download_piece_back_to_source_finished_request().piece());
    case Request::kDownloadPieceFailedRequest:
      return NotEmpty("DownloadPieceFailedRequest", "ParentId",
                      request.download_piece_failed_request().parent_id());
    case Request::kDownloadPieceBackToSourceFailedRequest:
      if (request.download_piece_back_to_source_failed_request().response_case() ==
          pb::scheduler::DownloadPieceBackToSourceFailedRequest::RESPONSE_NOT_SET) {
        return Invalid("DownloadPieceBackToSourceFailedRequest", "Response", "value is required");
      }
      return absl::OkStatus();
    case Request::REQUEST_NOT_SET:
      break;
  }
  return Invalid(kName, "Request", "value is required");
}

absl::Status Validate(const pb::scheduler::AnnounceHostRequest& request) {
  if (!request.has_host()) return Invalid("AnnounceHostRequest", "Host", "value is required");
  const pb::common::Host& host = request.host();
  RETURN_IF_ERROR(ValidateIds("Host", {{"Id", host.id()}, {"Hostname", host.hostname()}}));
  if (host.type() > 3) return Invalid("Host", "Type", "value must be less than or equal to 3");
  if (!IsIp(host.ip())) return Invalid("Host", "Ip", "value must be a valid IP address");
  RETURN_IF_ERROR(Port("Port", host.port()));
  RETURN_IF_ERROR(Port("DownloadPort", host.download_port()));
  return ValidateLoad(host);
}

}  // namespace dragonfly::scheduler
