#include "manager/rpc/validation.h"

#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/strings.h"
#include "manager/clusters/ip_prefix.h"

namespace dragonfly::manager {
namespace {

constexpr std::size_t kMaxHostName = 253;
constexpr std::size_t kMaxLabel = 63;
constexpr std::size_t kMaxText = 1024;
constexpr int kMinPort = 1024;
constexpr int kPortEnd = 65535;

bool IsLabel(std::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  for (const char c : label) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') return false;
  }
  return true;
}

bool IsHostName(std::string_view name) {
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxHostName) return false;
  while (true) {
    const auto dot = name.find('.');
    if (!IsLabel(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

/// UTF-8 characters; the bytes are valid, or Protobuf would have refused them.
std::size_t CountCharacters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xc0U) != 0x80U) ++count;
  }
  return count;
}

/// Remembers the first rule that does not hold.
class Rules {
 public:
  explicit Rules(std::string_view message) : message_(message) {}

  Rules& Source(pb::manager::SourceType type) {
    return Check(pb::manager::SourceType_IsValid(type), "source_type",
                 "value must be one of the defined enum values");
  }
  Rules& HostName(std::string_view name) {
    return Check(IsHostName(name), "hostname", "value must be a valid hostname");
  }
  Rules& Ip(std::string_view ip) {
    return Check(ParseIp(ip).has_value(), "ip", "value must be a valid IP address");
  }
  Rules& IpOrEmpty(std::string_view ip) { return ip.empty() ? *this : Ip(ip); }
  Rules& ClusterId(std::string_view field, std::uint64_t id) {
    return Check(id >= 1, field, "value must be greater than or equal to 1");
  }
  Rules& Port(std::string_view field, int port) {
    return Check(port >= kMinPort && port < kPortEnd, field,
                 "value must be inside range [1024, 65535)");
  }
  Rules& Text(std::string_view field, std::string_view text) {
    return Check(CountCharacters(text) <= kMaxText, field,
                 "value length must be at most 1024 characters");
  }
  Rules& Check(bool holds, std::string_view field, std::string_view rule) {
    if (!holds && status_.ok()) {
      status_ = absl::InvalidArgumentError(StrCat("invalid ", message_, ".", field, ": ", rule));
    }
    return *this;
  }
  [[nodiscard]] absl::Status status() const { return status_; }

 private:
  const std::string_view message_;
  absl::Status status_;
};

}  // namespace

absl::Status Validate(const pb::manager::GetSeedPeerRequest& request) {
  return Rules("GetSeedPeerRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .ClusterId("seed_peer_cluster_id", request.seed_peer_cluster_id())
      .IpOrEmpty(request.ip())
      .status();
}

absl::Status Validate(const pb::manager::ListSeedPeersRequest& request) {
  return Rules("ListSeedPeersRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .Ip(request.ip())
      .Text("version", request.version())
      .Text("commit", request.commit())
      .status();
}

absl::Status Validate(const pb::manager::UpdateSeedPeerRequest& request) {
  return Rules("UpdateSeedPeerRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .Check(request.type() == "super", "type", "value must be in list [super]")
      .Text("idc", request.idc())
      .Text("location", request.location())
      .Ip(request.ip())
      .Port("port", request.port())
      .Port("download_port", request.download_port())
      .ClusterId("seed_peer_cluster_id", request.seed_peer_cluster_id())
      .status();
}

absl::Status Validate(const pb::manager::DeleteSeedPeerRequest& request) {
  return Rules("DeleteSeedPeerRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .ClusterId("seed_peer_cluster_id", request.seed_peer_cluster_id())
      .IpOrEmpty(request.ip())
      .status();
}

absl::Status Validate(const pb::manager::GetSchedulerRequest& request) {
  return Rules("GetSchedulerRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .ClusterId("scheduler_cluster_id", request.scheduler_cluster_id())
      .IpOrEmpty(request.ip())
      .status();
}

absl::Status Validate(const pb::manager::UpdateSchedulerRequest& request) {
  return Rules("UpdateSchedulerRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .ClusterId("scheduler_cluster_id", request.scheduler_cluster_id())
      .Text("idc", request.idc())
      .Text("location", request.location())
      .Ip(request.ip())
      .Port("port", request.port())
      .status();
}

absl::Status Validate(const pb::manager::ListSchedulersRequest& request) {
  return Rules("ListSchedulersRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .Ip(request.ip())
      .Text("idc", request.idc())
      .Text("location", request.location())
      .Text("version", request.version())
      .Text("commit", request.commit())
      .status();
}

absl::Status Validate(const pb::manager::ListApplicationsRequest& request) {
  return Rules("ListApplicationsRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .Ip(request.ip())
      .status();
}

absl::Status Validate(const pb::manager::KeepAliveRequest& request) {
  return Rules("KeepAliveRequest")
      .Source(request.source_type())
      .HostName(request.hostname())
      .ClusterId("cluster_id", request.cluster_id())
      .IpOrEmpty(request.ip())
      .status();
}

}  // namespace dragonfly::manager
