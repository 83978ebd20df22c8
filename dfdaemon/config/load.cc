#include "dfdaemon/config/load.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/net/url.h"
#include "common/sysinfo/local_host.h"
#include "dfdaemon/config/keys.h"

namespace dragonfly::dfdaemon {
namespace {

// Where a key stands in the file, for errors; the file as a whole when it is not in it.
const ConfigNode& NodeOf(const ConfigNode& root, std::string_view path) {
  const ConfigNode* node = root.FindPath(path);
  return node == nullptr ? root : *node;
}

bool IsHttpUrl(const std::string& text) {
  const auto url = Url::Parse(text);
  return url.ok() && (url->scheme() == "http" || url->scheme() == "https") && !url->host().empty();
}

// A proxy of the original compares at most so many bytes; longer ones would lock everybody out.
bool IsCredential(const std::optional<std::string>& text) {
  return !text || (!text->empty() && text->size() <= 20);
}

// What a single key cannot be checked for.
absl::Status CheckTogether(const ConfigNode& root, const ConfigReport& report,
                           const Config& config) {
  const auto error = [&](std::string_view path, std::string_view reason) {
    return report.Error(NodeOf(root, path), path, reason);
  };
  if (!config.manager.addr.empty() && !IsHttpUrl(config.manager.addr)) {
    return error("manager.addr", "must be a URL such as http://manager:65003");
  }
  if (!IsHttpUrl(config.proxy.registry_mirror_addr)) {
    return error("proxy.registryMirror.addr", "must be a URL such as https://index.docker.io");
  }
  if (config.proxy.username.has_value() != config.proxy.password.has_value()) {
    return error("proxy.server.basicAuth", "needs both username and password");
  }
  if (!IsCredential(config.proxy.username)) {
    return error("proxy.server.basicAuth.username", "must have 1 to 20 characters");
  }
  if (!IsCredential(config.proxy.password)) {
    return error("proxy.server.basicAuth.password", "must have 1 to 20 characters");
  }
  if (config.gc.disk_low_threshold_percent >= config.gc.disk_high_threshold_percent) {
    return error("gc.policy.diskLowThresholdPercent",
                 "must be below gc.policy.diskHighThresholdPercent");
  }
  if (config.storage.dir.empty()) return error("storage.dir", "must not be empty");
  if (config.download.socket_path.empty()) {
    return error("download.server.socketPath", "must not be empty");
  }
  return absl::OkStatus();
}

bool IsReachable(const std::string& ip) { return !ip.empty() && ip != "127.0.0.1" && ip != "::1"; }

void FillListener(std::string& ip, const Config& config) {
  if (ip.empty()) ip = config.enable_ipv6 ? "::" : "0.0.0.0";
}

ConfigTable<BlockedDownloads> BlockedKeys() {
  ConfigTable<BlockedDownloads> table;
  table.Field("applications", &BlockedDownloads::applications, ListOf{Text{}})
      .Field("urls", &BlockedDownloads::urls, ListOf{Text{}})
      .Field("tags", &BlockedDownloads::tags, ListOf{Text{}})
      .Field("priorities", &BlockedDownloads::priorities, ListOf{Number{}});
  return table;
}

ConfigTable<Dynconfig> DynconfigKeys() {
  ConfigTable<Dynconfig> table;
  table.Field("scheduler.addr", &Dynconfig::scheduler_addr, Text{})
      .Field("scheduler.addrs", &Dynconfig::scheduler_addrs, ListOf{Text{}})
      .Fields("clientConfig.blockList.task.download", &Dynconfig::blocked, BlockedKeys())
      .Fields("seedClientConfig.blockList.task.download", &Dynconfig::blocked_for_seeds,
              BlockedKeys());
  return table;
}

absl::Status WriteDefaults(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  errno = 0;
  std::ofstream out(path);
  out << DynconfigKeys().Print(Dynconfig());
  if (out.flush()) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat("write ", path, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<LoadedConfig> ReadConfig(const ConfigNode& root, const std::string& file) {
  ConfigReport report(file);
  LoadedConfig loaded;
  RETURN_IF_ERROR(ConfigKeys().Read(root, report, loaded.config));
  // A block without a type means a super seed; no block at all a normal one.
  const ConfigNode* seed = root.Find("seedPeer");
  if (seed != nullptr && !seed->is_null()) {
    const ConfigNode* type = seed->Find("type");
    if (type == nullptr || type->is_null()) loaded.config.seed_peer.type = "super";
  }
  RETURN_IF_ERROR(CheckTogether(root, report, loaded.config));
  loaded.warnings = report.warnings();
  return loaded;
}

absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const ConfigNode root, ReadYamlFile(path));
  return ReadConfig(root, path);
}

std::string PrintConfig(const Config& config) { return ConfigKeys().Print(config); }

LocalNames FindLocalNames() {
  LocalNames names;
  std::array<char, 256> hostname{};
  if (::gethostname(hostname.data(), hostname.size() - 1) == 0) names.hostname = hostname.data();
  names.ipv4 = LocalIp(IpFamily::kIpv4);
  names.ipv6 = LocalIp(IpFamily::kIpv6);
  return names;
}

bool NeedsLocalNames(const Config& config) {
  return config.host.hostname.empty() || config.host.ip.empty();
}

absl::Status FillFromHost(const LocalNames& names, Config& config) {
  if (config.host.hostname.empty()) config.host.hostname = names.hostname;
  if (config.host.hostname.empty()) {
    return absl::FailedPreconditionError("host.hostname: this machine has no name; configure one");
  }
  if (config.host.ip.empty()) {
    const bool v6 = (config.enable_ipv6 && IsReachable(names.ipv6)) || !IsReachable(names.ipv4);
    config.host.ip = v6 ? names.ipv6 : names.ipv4;
    if (!IsReachable(config.host.ip)) {
      return absl::FailedPreconditionError(
          "host.ip: this machine has no address besides loopback; configure one");
    }
  }
  FillListener(config.upload.server_ip, config);
  FillListener(config.storage.server_ip, config);
  FillListener(config.proxy.server_ip, config);
  FillListener(config.health.server_ip, config);
  FillListener(config.metrics.server_ip, config);
  FillListener(config.stats.server_ip, config);
  return absl::OkStatus();
}

absl::StatusOr<Dynconfig> LoadDynconfig(const std::string& path) {
  auto root = ReadYamlFile(path);
  if (absl::IsNotFound(root.status())) {
    RETURN_IF_ERROR(WriteDefaults(path));
    return Dynconfig();
  }
  if (!root.ok()) return root.status();
  ConfigReport report(path);
  Dynconfig dynconfig;
  RETURN_IF_ERROR(DynconfigKeys().Read(*root, report, dynconfig));
  return dynconfig;
}

}  // namespace dragonfly::dfdaemon
