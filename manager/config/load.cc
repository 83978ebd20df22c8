#include "manager/config/load.h"

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/config/table.h"
#include "common/sysinfo/local_host.h"
#include "manager/config/keys.h"

namespace dragonfly::manager {
namespace {

// What a single key cannot be checked for.
absl::Status CheckTogether(const ConfigNode& root, const ConfigReport& report,
                           const Config& config) {
  const auto required = [&](std::string_view path, bool given) {
    if (given) return absl::OkStatus();
    // Points at the block when the key itself is not in the file.
    const ConfigNode* node = nullptr;
    for (std::string_view at = path; node == nullptr && !at.empty();) {
      node = root.FindPath(at, /*ignore_case=*/true);
      const auto dot = at.rfind('.');
      at = at.substr(0, dot == std::string_view::npos ? 0 : dot);
    }
    return report.Error(node == nullptr ? root : *node, path, "is required");
  };
  const ServerConfig& server = config.server;
  RETURN_IF_ERROR(required("server.name", !server.name.empty()));
  RETURN_IF_ERROR(required("server.rest.addr", !server.rest_addr.empty()));
  if (server.grpc_tls.has_value()) {
    RETURN_IF_ERROR(required("server.grpc.tls.caCert", !server.grpc_tls->ca_cert.empty()));
    RETURN_IF_ERROR(required("server.grpc.tls.cert", !server.grpc_tls->cert.empty()));
    RETURN_IF_ERROR(required("server.grpc.tls.key", !server.grpc_tls->key.empty()));
  }
  if (server.rest_tls.has_value()) {
    RETURN_IF_ERROR(required("server.rest.tls.cert", !server.rest_tls->cert.empty()));
    RETURN_IF_ERROR(required("server.rest.tls.key", !server.rest_tls->key.empty()));
  }
  RETURN_IF_ERROR(required("auth.jwt.realm", !config.jwt.realm.empty()));
  if (config.database.type == "sqlite") {
    RETURN_IF_ERROR(required("database.sqlite.path", !config.database.sqlite_path.empty()));
  }
  if (config.database.type == "mysql" || config.database.type == "mariadb") {
    const MysqlConfig& mysql = config.database.mysql;
    RETURN_IF_ERROR(required("database.mysql.user", !mysql.user.empty()));
    RETURN_IF_ERROR(required("database.mysql.host", !mysql.host.empty()));
    RETURN_IF_ERROR(required("database.mysql.dbname", !mysql.dbname.empty()));
  }
  if (config.metrics_enable) {
    RETURN_IF_ERROR(required("metrics.addr", !config.metrics_addr.empty()));
  }
  return absl::OkStatus();
}

void WarnOfNoEffect(const Config& config, std::vector<std::string>& warnings) {
  const auto warn = [&](bool configured, std::string_view what) {
    if (configured) warnings.push_back(StrCat(what, " has no effect in this version"));
  };
  warn(!config.tracing.protocol.empty() && !config.tracing.endpoint.empty(), "tracing");
  warn(!config.database.redis.addrs.empty(), "database.redis");
  warn(config.database.redis.proxy_enable, "database.redis.proxy");
  warn(config.pprof_port > 0, "pprofPort");
}

}  // namespace

absl::StatusOr<LoadedConfig> ReadConfig(const ConfigNode& root, const std::string& file) {
  ConfigReport report(file);
  report.ignore_key_case = true;
  LoadedConfig loaded;
  Config& config = loaded.config;
  RETURN_IF_ERROR(ConfigKeys().Read(root, report, config));
  RedisConfig& redis = config.database.redis;
  if (redis.addrs.empty() && !redis.host.empty() && redis.port != 0) {
    redis.addrs.push_back(StrCat(redis.host, ":", redis.port));
  }
  if (config.database.type.empty()) {
    config.database.type = config.database.mysql.host.empty() ? "sqlite" : "mysql";
  }
  RETURN_IF_ERROR(CheckTogether(root, report, config));
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
  GrpcConfig& grpc = config.server.grpc;
  if (grpc.advertise_ip.empty()) {
    grpc.advertise_ip = LocalIp(config.enable_ipv6 ? IpFamily::kIpv6 : IpFamily::kIpv4);
  }
  if (grpc.listen_ip.empty()) grpc.listen_ip = config.enable_ipv6 ? "::" : "0.0.0.0";
}

}  // namespace dragonfly::manager
