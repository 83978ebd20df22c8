#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dragonfly::manager {

// manager.yaml, block by block. Members are named after the keys; keys.cc has the table of keys,
// bounds and older names.

using Nanos = std::chrono::nanoseconds;

struct TlsConfig {
  std::string ca_cert;
  std::string cert;
  std::string key;
};

struct TracingConfig {
  std::string protocol;
  std::string endpoint;
  std::string path = "/v1/traces";
  std::string service_name = "manager";
  std::map<std::string, std::string> headers;
};

struct GrpcConfig {
  std::string advertise_ip;  ///< Empty in the file: this machine's.
  std::string listen_ip;     ///< Empty in the file: all addresses.
  std::uint16_t port_start = 65003;
  /// The first free port from start to end is taken.
  std::uint16_t port_end = 65003;
  double request_rate_limit = 4000;
};

struct RestTlsConfig {
  std::string cert;
  std::string key;
};

struct ServerConfig {
  std::string name = "d7y/manager";
  std::string cache_dir = "/var/cache/dragonfly";
  std::string log_dir = "/var/log/dragonfly";
  std::string plugin_dir = "/usr/local/dragonfly/plugins";
  std::string log_level = "info";
  std::uint64_t log_max_size = 1024;  ///< MiB.
  std::uint64_t log_max_age = 7;      ///< Days.
  std::uint64_t log_max_backups = 20;
  GrpcConfig grpc;
  std::optional<TlsConfig> grpc_tls;
  std::string rest_addr = ":8080";
  std::optional<RestTlsConfig> rest_tls;
};

struct JwtConfig {
  std::string realm = "Dragonfly";
  std::string key;  ///< Empty: the one that is stored in the database.
  Nanos timeout = std::chrono::hours(336);
  Nanos max_refresh = std::chrono::hours(168);
};

struct MysqlTlsConfig {
  std::string ca_cert;
  std::string cert;
  std::string key;
  bool insecure_skip_verify = false;
};

struct MysqlConfig {
  std::string user;
  std::string password;
  std::string host;
  std::uint16_t port = 3306;
  std::string dbname = "manager";
  std::string tls_config;
  std::optional<MysqlTlsConfig> tls;
  bool migrate = true;
};

struct RedisTlsConfig {
  std::string ca_cert;
  std::string cert;
  std::string key;
  bool insecure_skip_verify = false;
};

struct RedisConfig {
  std::string host;
  std::uint16_t port = 0;
  std::vector<std::string> addrs;
  std::string master_name;
  std::string username;
  std::string password;
  std::string sentinel_username;
  std::string sentinel_password;
  std::uint32_t db = 0;
  std::uint32_t broker_db = 1;
  std::uint32_t backend_db = 2;
  std::uint32_t pool_size = 40;
  Nanos pool_timeout = std::chrono::seconds(10);
  bool proxy_enable = false;
  std::string proxy_addr = ":65100";
  std::optional<RedisTlsConfig> tls;
};

struct DatabaseConfig {
  /// Empty: mysql when the file has database.mysql.host, else sqlite.
  std::string type;
  std::string sqlite_path = "/var/lib/dragonfly/manager/manager.db";
  MysqlConfig mysql;
  RedisConfig redis;
};

struct CacheConfig {
  Nanos redis_ttl = std::chrono::minutes(5);
  std::uint64_t local_size = 8000;
  Nanos local_ttl = std::chrono::minutes(3);
};

struct JobConfig {
  bool preheat_insecure_skip_verify = false;
  std::string preheat_ca_cert;  ///< PEM text or a path.
  Nanos sync_peers_interval = std::chrono::hours(24);
  Nanos sync_peers_timeout = std::chrono::minutes(10);
  std::uint64_t sync_peers_batch_size = 500;
};

struct Config {
  bool console = false;
  std::int32_t pprof_port = -1;
  TracingConfig tracing;
  ServerConfig server;
  JwtConfig jwt;
  DatabaseConfig database;
  CacheConfig cache;
  JobConfig job;
  bool metrics_enable = false;
  std::string metrics_addr = ":8000";
  bool enable_ipv6 = false;
};

}  // namespace dragonfly::manager
