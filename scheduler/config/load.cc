#include "scheduler/config/load.h"

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/sysinfo/local_host.h"
#include "scheduler/config/keys.h"

namespace dragonfly::scheduler {
namespace {

/// Says which part of a file is missing, at the line of the innermost block that is there.
absl::Status Required(const ConfigNode& root, const ConfigReport& report, std::string_view path,
                      bool given) {
  if (given) return absl::OkStatus();
  const ConfigNode* node = nullptr;
  for (std::string_view at = path; node == nullptr && !at.empty();) {
    node = root.FindPath(at, /*ignore_case=*/true);
    const auto dot = at.rfind('.');
    at = at.substr(0, dot == std::string_view::npos ? 0 : dot);
  }
  return report.Error(node == nullptr ? root : *node, path, "is required");
}

// What a single key cannot be checked for.
absl::Status CheckTogether(const ConfigNode& root, const ConfigReport& report,
                           const Config& config) {
  const auto check_tls = [&](const std::string& path,
                             const std::optional<TlsConfig>& tls) -> absl::Status {
    if (!tls.has_value()) return absl::OkStatus();
    RETURN_IF_ERROR(Required(root, report, path + ".caCert", !tls->ca_cert.empty()));
    RETURN_IF_ERROR(Required(root, report, path + ".cert", !tls->cert.empty()));
    return Required(root, report, path + ".key", !tls->key.empty());
  };
  RETURN_IF_ERROR(check_tls("server.tls", config.server.tls));
  RETURN_IF_ERROR(
      Required(root, report, "scheduler.algorithm", !config.scheduler.algorithm.empty()));
  RETURN_IF_ERROR(Required(root, report, "manager.addr",
                           !config.manager.addr.has_value() || !config.manager.addr->empty()));
  RETURN_IF_ERROR(check_tls("manager.tls", config.manager.tls));
  RETURN_IF_ERROR(check_tls("seedPeer.tls", config.seed_peer.tls));
  RETURN_IF_ERROR(check_tls("peer.tls", config.peer_tls));
  // A password is not sent in the clear by somebody who asked for encryption.
  if (config.redis.tls.has_value()) {
    return report.Error(root, "database.redis.tls", "Redis over TLS is not supported");
  }
  return Required(root, report, "metrics.addr",
                  !config.metrics.enable || !config.metrics.addr.empty());
}

/// Values of the old place count where the new one has none.
void TakeOldRedis(const OldRedisConfig& old, RedisConfig& redis) {
  if (redis.addrs.empty()) redis.addrs = old.addrs;
  if (redis.addrs.empty() && !old.host.empty() && old.port != 0) {
    redis.addrs.push_back(StrCat(old.host, ":", old.port));
  }
  if (redis.master_name.empty()) redis.master_name = old.master_name;
  if (redis.username.empty()) redis.username = old.username;
  if (redis.password.empty()) redis.password = old.password;
  if (redis.broker_db == 0) redis.broker_db = old.broker_db;
  if (redis.backend_db == 0) redis.backend_db = old.backend_db;
}

void WarnOfNoEffect(const Config& config, std::vector<std::string>& warnings) {
  const auto warn = [&](bool configured, std::string_view what) {
    if (configured) warnings.push_back(StrCat(what, " has no effect in this version"));
  };
  warn(!config.tracing.protocol.empty() && !config.tracing.endpoint.empty(), "tracing");
  warn(config.pprof_port > 0, "pprofPort");
  // Charts write the default.
  warn(config.seed_peer.task_download_timeout != SeedPeerConfig().task_download_timeout,
       "seedPeer.taskDownloadTimeout");
}

}  // namespace

absl::StatusOr<LoadedConfig> ReadConfig(const ConfigNode& root, const std::string& file) {
  ConfigReport report(file);
  report.ignore_key_case = true;
  LoadedConfig loaded;
  Config& config = loaded.config;
  RETURN_IF_ERROR(ConfigKeys().Read(root, report, config));
  RETURN_IF_ERROR(CheckTogether(root, report, config));
  TakeOldRedis(config.job.redis, config.redis);
  if (config.server.advertise_port == 0) config.server.advertise_port = config.server.port;
  loaded.warnings = report.warnings();
  WarnOfNoEffect(config, loaded.warnings);
  return loaded;
}

absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path) {
  ASSIGN_OR_RETURN(const ConfigNode root, ReadYamlFile(path));
  return ReadConfig(root, path);
}

std::string PrintConfig(const Config& config) { return ConfigKeys().Print(config); }

void FillFromHost(Config& config) {
  ServerConfig& server = config.server;
  if (server.advertise_ip.empty()) {
    server.advertise_ip = LocalIp(config.enable_ipv6 ? IpFamily::kIpv6 : IpFamily::kIpv4);
  }
  if (server.listen_ip.empty()) server.listen_ip = config.enable_ipv6 ? "::" : "0.0.0.0";
  if (server.advertise_port == 0) server.advertise_port = server.port;
  if (server.host.empty()) server.host = FullHostName();
}

}  // namespace dragonfly::scheduler
