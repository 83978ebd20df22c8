#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/types.h"

namespace dragonfly::dfdaemon {

// dfdaemon.yaml, block by block. Members are named after the keys; keys.cc has the table of keys,
// bounds and older names. Sizes are bytes, bandwidths bytes per second.

using Millis = std::chrono::milliseconds;

struct TlsFiles {
  std::string ca_cert;
  std::string cert;
  std::string key;

  /// TLS is used only when all three are given, as in the original.
  [[nodiscard]] bool complete() const { return !ca_cert.empty() && !cert.empty() && !key.empty(); }
  [[nodiscard]] bool empty() const { return ca_cert.empty() && cert.empty() && key.empty(); }
};

struct HostConfig {
  std::string idc;
  std::string location;
  std::string hostname;  ///< Empty in the file: the system's.
  std::string ip;        ///< Empty in the file: the first local address.
  std::optional<std::uint64_t> scheduler_cluster_id;
};

struct ServerConfig {
  std::string plugin_dir = "/usr/local/lib/dragonfly/plugins/dfdaemon";
  std::string cache_dir = "/var/cache/dragonfly/dfdaemon";
};

struct DownloadConfig {
  std::string socket_path = "/var/run/dragonfly/dfdaemon.sock";
  std::uint64_t request_rate_limit = 5000;
  std::uint64_t request_buffer_size = 50;
  std::string protocol = "tcp";
  std::uint64_t bandwidth_limit = 10 * kGiB;
  std::uint64_t back_to_source_bandwidth_limit = 50'000'000'000;
  Millis piece_timeout{360'000};
  Millis collected_piece_timeout{360'000};
  std::uint64_t concurrent_piece_count = 8;
};

struct UploadConfig {
  std::string server_ip;
  std::uint16_t server_port = 4000;
  TlsFiles server_tls;
  std::uint64_t request_rate_limit = 5000;
  std::uint64_t request_buffer_size = 50;
  TlsFiles client_tls;
  bool disable_shared = false;
  std::uint64_t bandwidth_limit = 10 * kGiB;
};

struct ManagerConfig {
  std::string addr;  ///< URL; empty: schedulers come from the file of --dynconfig.
  TlsFiles tls;
};

struct SchedulerConfig {
  Millis announce_interval{300'000};
  Millis schedule_timeout{3 * 3'600'000};
  std::uint64_t max_schedule_count = 5;
  TlsFiles tls;
};

struct SeedPeerConfig {
  bool enable = false;
  std::string type = "normal";  ///< `normal` or `super`.
};

struct StorageConfig {
  std::string server_ip;
  std::uint16_t tcp_port = 4005;
  std::uint16_t quic_port = 4006;
  bool tcp_fastopen = false;
  std::string dir = "/var/lib/dragonfly/";
  bool keep = false;
  Millis write_piece_timeout{360'000};
  std::uint64_t write_buffer_size = 4 * kMiB;
  std::uint64_t read_buffer_size = 4 * kMiB;
  std::uint64_t cache_capacity = 64 * kMiB;
};

struct GcConfig {
  Millis interval{900'000};
  Millis task_ttl{6 * 3'600'000};
  Millis persistent_task_ttl{24 * 3'600'000};
  Millis persistent_cache_task_ttl{24 * 3'600'000};
  std::uint64_t disk_threshold = 0;
  std::uint64_t disk_high_threshold_percent = 80;
  std::uint64_t disk_low_threshold_percent = 60;
  Millis page_cache_idle_timeout{40 * 60'000};
};

struct ProxyRuleConfig {
  std::string regex = ".*";
  bool use_tls = false;
  std::string redirect;
  /// Absent: the built-in list.
  std::optional<std::vector<std::string>> filtered_query_params;
};

struct ProxyConfig {
  std::string server_ip;
  std::uint16_t server_port = 4001;
  std::string ca_cert;
  std::string ca_key;
  std::optional<std::string> username;
  std::optional<std::string> password;
  std::uint64_t request_rate_limit = 4000;
  std::vector<ProxyRuleConfig> rules;
  std::string registry_mirror_addr = "https://index.docker.io";
  std::string registry_mirror_cert;
  bool enable_task_id_based_blob_digest = false;
  bool disable_back_to_source = false;
  bool prefetch = false;
  std::uint64_t prefetch_bandwidth_limit = 2 * kGiB;
  std::uint64_t read_buffer_size = 4 * kMiB;
};

/// A plain HTTP listener.
struct HttpListenerConfig {
  std::string server_ip;
  std::uint16_t server_port = 0;
};

struct TracingConfig {
  std::string protocol;
  std::string endpoint;
  std::string path = "/v1/traces";
  std::map<std::string, std::string> headers;
};

struct BackendConfig {
  std::map<std::string, std::string> request_header;
  bool enable_cache_temporary_redirect = true;
  Millis cache_temporary_redirect_ttl{600'000};
  std::uint64_t put_concurrent_chunk_count = 16;
  std::uint64_t put_chunk_size = 8 * kMiB;
  Millis put_timeout{900'000};
  std::uint64_t max_retries = 1;
};

struct Config {
  HostConfig host;
  ServerConfig server;
  DownloadConfig download;
  UploadConfig upload;
  ManagerConfig manager;
  SchedulerConfig scheduler;
  SeedPeerConfig seed_peer;
  Millis dynconfig_refresh_interval{300'000};
  StorageConfig storage;
  GcConfig gc;
  ProxyConfig proxy;
  bool enable_ipv6 = false;
  HttpListenerConfig health{"", 4003};
  HttpListenerConfig metrics{"", 4002};
  HttpListenerConfig stats{"", 4004};
  TracingConfig tracing;
  BackendConfig backend;

  /// Host type on the wire: 1 for a super seed peer, 0 otherwise.
  [[nodiscard]] std::uint32_t host_type() const {
    return seed_peer.enable && seed_peer.type == "super" ? 1 : 0;
  }
};

}  // namespace dragonfly::dfdaemon
