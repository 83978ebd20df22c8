#include "dfdaemon/config/keys.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;

// A timeout of nothing would fail every call.
DurationCodec Timeout() { return Humantime(milliseconds(1)); }

ConfigTable<TlsFiles> Tls() {
  ConfigTable<TlsFiles> table;
  table.Field("caCert", &TlsFiles::ca_cert, Text{})
      .Field("cert", &TlsFiles::cert, Text{})
      .Field("key", &TlsFiles::key, Text{});
  return table;
}

ConfigTable<HostConfig> Host() {
  ConfigTable<HostConfig> table;
  table.Field("idc", &HostConfig::idc, Text{})
      .Field("location", &HostConfig::location, Text{})
      .Field("hostname", &HostConfig::hostname, Text{})
      .Field("ip", &HostConfig::ip, Ip{})
      .Field("schedulerClusterID", &HostConfig::scheduler_cluster_id, Optional{Number{}});
  return table;
}

ConfigTable<ServerConfig> Server() {
  ConfigTable<ServerConfig> table;
  table.Field("pluginDir", &ServerConfig::plugin_dir, Text{})
      .Field("cacheDir", &ServerConfig::cache_dir, Text{})
      // Newer daemons shed load by it; here the request limits do.
      .Ignored("adaptiveRateLimit");
  return table;
}

ConfigTable<DownloadConfig> Download() {
  ConfigTable<DownloadConfig> table;
  table.Field("server.socketPath", &DownloadConfig::socket_path, Text{})
      .Field("server.requestRateLimit", &DownloadConfig::request_rate_limit, Number{.min = 1})
      .Field("server.requestBufferSize", &DownloadConfig::request_buffer_size, Number{})
      .Field("protocol", &DownloadConfig::protocol, Text{})
      .Field("bandwidthLimit", &DownloadConfig::bandwidth_limit, ByteSize{.min = 1},
             {.secret = false, .old_paths = {"rateLimit"}})
      .Field("backToSourceBandwidthLimit", &DownloadConfig::back_to_source_bandwidth_limit,
             ByteSize{.min = 1})
      .Field("pieceTimeout", &DownloadConfig::piece_timeout, Timeout())
      .Field("collectedPieceTimeout", &DownloadConfig::collected_piece_timeout, Timeout())
      .Field("concurrentPieceCount", &DownloadConfig::concurrent_piece_count,
             Number{.min = 1, .max = 1024});
  return table;
}

ConfigTable<UploadConfig> Upload() {
  ConfigTable<UploadConfig> table;
  table
      .Field("server.ip", &UploadConfig::server_ip, Ip{})
      // It is announced as it is, so the system cannot choose it.
      .Field("server.port", &UploadConfig::server_port, Number{.min = 1, .max = 65535})
      .Fields("server", &UploadConfig::server_tls, Tls())
      .Field("server.requestRateLimit", &UploadConfig::request_rate_limit, Number{.min = 1})
      .Field("server.requestBufferSize", &UploadConfig::request_buffer_size, Number{})
      .Fields("client", &UploadConfig::client_tls, Tls())
      .Field("disableShared", &UploadConfig::disable_shared, Flag{})
      .Field("bandwidthLimit", &UploadConfig::bandwidth_limit, ByteSize{.min = 1},
             {.secret = false, .old_paths = {"rateLimit"}});
  return table;
}

ConfigTable<ManagerConfig> Manager() {
  ConfigTable<ManagerConfig> table;
  table.Field("addr", &ManagerConfig::addr, Text{}).Fields("", &ManagerConfig::tls, Tls());
  return table;
}

ConfigTable<SchedulerConfig> Scheduler() {
  ConfigTable<SchedulerConfig> table;
  table.Field("announceInterval", &SchedulerConfig::announce_interval, Timeout())
      .Field("scheduleTimeout", &SchedulerConfig::schedule_timeout, Timeout())
      .Field("maxScheduleCount", &SchedulerConfig::max_schedule_count,
             Number{.min = 1, .max = 1'000'000})
      .Fields("", &SchedulerConfig::tls, Tls())
      .Ignored("enableBackToSource");
  return table;
}

ConfigTable<SeedPeerConfig> SeedPeer() {
  ConfigTable<SeedPeerConfig> table;
  table.Field("enable", &SeedPeerConfig::enable, Flag{})
      .Field("type", &SeedPeerConfig::type, OneOf{{"normal", "super"}})
      .Ignored("server")
      .Ignored("clusterID")
      .Ignored("keepaliveInterval");
  return table;
}

ConfigTable<StorageConfig> Storage() {
  ConfigTable<StorageConfig> table;
  table.Field("server.ip", &StorageConfig::server_ip, Ip{})
      .Field("server.tcpPort", &StorageConfig::tcp_port, kPort)
      .Field("server.quicPort", &StorageConfig::quic_port, kPort)
      .Field("server.tcpFastopen", &StorageConfig::tcp_fastopen, Flag{})
      .Field("dir", &StorageConfig::dir, Text{})
      .Field("keep", &StorageConfig::keep, Flag{})
      .Field("writePieceTimeout", &StorageConfig::write_piece_timeout, Timeout())
      .Field("writeBufferSize", &StorageConfig::write_buffer_size, ByteSize{.min = 1})
      .Field("readBufferSize", &StorageConfig::read_buffer_size, ByteSize{.min = 1})
      .Field("cacheCapacity", &StorageConfig::cache_capacity, ByteSize{});
  return table;
}

// The chart of Dragonfly 2.4 writes the three disk keys with this typing error.
ConfigTable<GcConfig> Gc() {
  ConfigTable<GcConfig> table;
  const Number percent{.min = 1, .max = 99};
  table.Field("interval", &GcConfig::interval, Timeout())
      .Field("policy.taskTTL", &GcConfig::task_ttl, Timeout())
      .Field("policy.persistentTaskTTL", &GcConfig::persistent_task_ttl, Timeout())
      .Field("policy.persistentCacheTaskTTL", &GcConfig::persistent_cache_task_ttl, Timeout())
      .Field("policy.diskThreshold", &GcConfig::disk_threshold, ByteSize{},
             {.secret = false, .old_paths = {"policy.distThreshold"}})
      .Field("policy.diskHighThresholdPercent", &GcConfig::disk_high_threshold_percent, percent,
             {.secret = false, .old_paths = {"policy.distHighThresholdPercent"}})
      .Field("policy.diskLowThresholdPercent", &GcConfig::disk_low_threshold_percent, percent,
             {.secret = false, .old_paths = {"policy.distLowThresholdPercent"}})
      .Field("policy.pageCacheIdleTimeout", &GcConfig::page_cache_idle_timeout, Timeout());
  return table;
}

ConfigTable<ProxyRuleConfig> ProxyRule() {
  ConfigTable<ProxyRuleConfig> table;
  table.Field("regex", &ProxyRuleConfig::regex, Text{})
      .Field("useTLS", &ProxyRuleConfig::use_tls, Flag{})
      .Field("redirect", &ProxyRuleConfig::redirect, Text{})
      .Field("filteredQueryParams", &ProxyRuleConfig::filtered_query_params,
             Optional{ListOf{Text{}}});
  return table;
}

ConfigTable<ProxyConfig> Proxy() {
  ConfigTable<ProxyConfig> table;
  table.Field("server.ip", &ProxyConfig::server_ip, Ip{})
      .Field("server.port", &ProxyConfig::server_port, kPort)
      .Field("server.caCert", &ProxyConfig::ca_cert, Text{})
      .Field("server.caKey", &ProxyConfig::ca_key, Text{})
      .Field("server.basicAuth.username", &ProxyConfig::username, Optional{Text{}})
      .Field("server.basicAuth.password", &ProxyConfig::password, Optional{Text{}},
             {.secret = true, .old_paths = {}})
      .Field("server.requestRateLimit", &ProxyConfig::request_rate_limit, Number{.min = 1})
      .Field("rules", &ProxyConfig::rules, ListOf{ProxyRule()})
      .Field("registryMirror.addr", &ProxyConfig::registry_mirror_addr, Text{})
      .Field("registryMirror.cert", &ProxyConfig::registry_mirror_cert, Text{})
      .Field("registryMirror.enableTaskIDBasedBlobDigest",
             &ProxyConfig::enable_task_id_based_blob_digest, Flag{})
      .Field("disableBackToSource", &ProxyConfig::disable_back_to_source, Flag{})
      .Field("prefetch", &ProxyConfig::prefetch, Flag{})
      .Field("prefetchBandwidthLimit", &ProxyConfig::prefetch_bandwidth_limit, ByteSize{.min = 1},
             {.secret = false, .old_paths = {"prefetchRateLimit"}})
      .Field("readBufferSize", &ProxyConfig::read_buffer_size, ByteSize{.min = 1024});
  return table;
}

ConfigTable<HttpListenerConfig> HttpListener() {
  ConfigTable<HttpListenerConfig> table;
  table.Field("server.ip", &HttpListenerConfig::server_ip, Ip{})
      .Field("server.port", &HttpListenerConfig::server_port, kPort);
  return table;
}

ConfigTable<TracingConfig> Tracing() {
  ConfigTable<TracingConfig> table;
  table.Field("protocol", &TracingConfig::protocol, OneOf{{"", "grpc", "http", "https"}})
      .Field("endpoint", &TracingConfig::endpoint, Text{})
      .Field("path", &TracingConfig::path, Text{})
      .Field("headers", &TracingConfig::headers, MapOf{Text{}}, {.secret = true, .old_paths = {}});
  return table;
}

ConfigTable<BackendConfig> Backend() {
  ConfigTable<BackendConfig> table;
  table
      .Field("requestHeader", &BackendConfig::request_header, MapOf{Text{}},
             {.secret = true, .old_paths = {}})
      .Field("enableCacheTemporaryRedirect", &BackendConfig::enable_cache_temporary_redirect,
             Flag{})
      .Field("cacheTemporaryRedirectTTL", &BackendConfig::cache_temporary_redirect_ttl, Timeout())
      .Field("putConcurrentChunkCount", &BackendConfig::put_concurrent_chunk_count,
             Number{.min = 1})
      .Field("putChunkSize", &BackendConfig::put_chunk_size, ByteSize{.min = 1})
      .Field("putTimeout", &BackendConfig::put_timeout, Timeout())
      .Field("maxRetries", &BackendConfig::max_retries, Number{.min = 0, .max = 100})
      // How names are resolved is the resolver's business here.
      .Ignored("enableHickoryDNS");
  return table;
}

ConfigTable<Config> All() {
  ConfigTable<Config> table;
  table.Fields("host", &Config::host, Host())
      .Fields("server", &Config::server, Server())
      .Fields("download", &Config::download, Download())
      .Fields("upload", &Config::upload, Upload())
      .Fields("manager", &Config::manager, Manager())
      .Fields("scheduler", &Config::scheduler, Scheduler())
      .Fields("seedPeer", &Config::seed_peer, SeedPeer())
      .Field("dynconfig.refreshInterval", &Config::dynconfig_refresh_interval, Timeout())
      .Fields("storage", &Config::storage, Storage())
      .Fields("gc", &Config::gc, Gc())
      .Fields("proxy", &Config::proxy, Proxy())
      .Field("network.enableIPv6", &Config::enable_ipv6, Flag{},
             {.secret = false, .old_paths = {"network.enableIpv6"}})
      .Fields("health", &Config::health, HttpListener())
      .Fields("metrics", &Config::metrics, HttpListener())
      .Fields("stats", &Config::stats, HttpListener())
      .Fields("tracing", &Config::tracing, Tracing())
      .Fields("backend", &Config::backend, Backend())
      // Existing files carry them; they did nothing in the original either.
      .Ignored("security")
      .Ignored("console")
      .Ignored("verbose")
      .Ignored("log");
  return table;
}

}  // namespace

const ConfigTable<Config>& ConfigKeys() {
  static const ConfigTable<Config> kTable = All();
  return kTable;
}

}  // namespace dragonfly::dfdaemon
