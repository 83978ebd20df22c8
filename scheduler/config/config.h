#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dragonfly::scheduler {

// scheduler.yaml, block by block. Members are named after the keys; keys.cc has the table of keys,
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
  std::string service_name = "scheduler";
  std::map<std::string, std::string> headers;
};

struct ServerConfig {
  std::string advertise_ip;  ///< Empty in the file: this machine's.
  /// 0 in the file: `port`.
  std::uint16_t advertise_port = 0;
  std::string listen_ip;  ///< Empty in the file: all addresses.
  std::uint16_t port = 8002;
  std::string host;  ///< Empty in the file: this machine's full name.
  std::optional<TlsConfig> tls;
  std::string cache_dir = "/var/cache/dragonfly";
  std::string log_dir = "/var/log/dragonfly";
  std::string log_level = "info";
  std::uint64_t log_max_size = 1024;  ///< MiB.
  std::uint64_t log_max_age = 7;      ///< Days.
  std::uint64_t log_max_backups = 20;
  std::string plugin_dir = "/usr/local/dragonfly/plugins";
  double request_rate_limit = 4000;
};

struct GcConfig {
  Nanos piece_download_timeout = std::chrono::minutes(30);
  Nanos peer_gc_interval = std::chrono::seconds(10);
  Nanos peer_ttl = std::chrono::hours(24);
  Nanos task_gc_interval = std::chrono::minutes(30);
  Nanos host_gc_interval = std::chrono::minutes(5);
  Nanos host_ttl = std::chrono::hours(1);
};

struct SchedulingConfig {
  std::string algorithm = "default";
  std::uint32_t back_to_source_count = 200;
  std::uint32_t retry_back_to_source_limit = 4;
  std::uint32_t retry_limit = 5;
  Nanos retry_interval = std::chrono::milliseconds(500);
  GcConfig gc;
};

struct RedisTlsConfig {
  std::string ca_cert;
  std::string cert;
  std::string key;
  bool insecure_skip_verify = false;
};

struct RedisConfig {
  std::vector<std::string> addrs;
  std::string master_name;
  std::string username;
  std::string password;
  std::string sentinel_username;
  std::string sentinel_password;
  std::uint32_t pool_size = 20;
  Nanos pool_timeout = std::chrono::seconds(10);
  std::uint32_t broker_db = 1;
  std::uint32_t backend_db = 2;
  std::optional<RedisTlsConfig> tls;
};

struct ManagerConfig {
  /// host:port. Absent: there is no manager, the dynamic configuration comes from a file.
  std::optional<std::string> addr;
  std::optional<TlsConfig> tls;
  std::uint64_t scheduler_cluster_id = 1;
  Nanos keep_alive_interval = std::chrono::seconds(5);
};

struct SeedPeerConfig {
  bool enable = true;
  std::optional<TlsConfig> tls;
  Nanos task_download_timeout = std::chrono::hours(10);
};

/// Where Redis was configured before database.redis.
struct OldRedisConfig {
  std::vector<std::string> addrs;
  std::string host;
  std::uint16_t port = 0;
  std::string master_name;
  std::string username;
  std::string password;
  std::uint32_t broker_db = 0;
  std::uint32_t backend_db = 0;
};

struct JobConfig {
  bool enable = true;
  std::uint32_t global_worker_num = 500;
  std::uint32_t scheduler_worker_num = 500;
  std::uint32_t local_worker_num = 1000;
  OldRedisConfig redis;
};

struct MetricsConfig {
  bool enable = false;
  std::string addr = ":8000";
  bool enable_host = false;
};

struct Config {
  bool console = false;
  std::int32_t pprof_port = -1;
  TracingConfig tracing;
  ServerConfig server;
  SchedulingConfig scheduler;
  RedisConfig redis;
  Nanos dynconfig_refresh_interval = std::chrono::minutes(1);
  std::string idc;
  std::string location;
  ManagerConfig manager;
  SeedPeerConfig seed_peer;
  std::optional<TlsConfig> peer_tls;
  JobConfig job;
  MetricsConfig metrics;
  bool enable_ipv6 = false;
};

}  // namespace dragonfly::scheduler
