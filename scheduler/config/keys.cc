#include "scheduler/config/keys.h"

namespace dragonfly::scheduler {
namespace {

using std::chrono::nanoseconds;

const FieldOptions kSecret = {.secret = true, .old_paths = {}};

// Zero would make everything late at once or a loop spin.
DurationCodec Positive() { return GoDuration(nanoseconds(1)); }

ConfigTable<TlsConfig> Tls() {
  ConfigTable<TlsConfig> table;
  table.Field("caCert", &TlsConfig::ca_cert, Text{})
      .Field("cert", &TlsConfig::cert, Text{})
      .Field("key", &TlsConfig::key, Text{});
  return table;
}

ConfigTable<TracingConfig> Tracing() {
  ConfigTable<TracingConfig> table;
  table.Field("protocol", &TracingConfig::protocol, OneOf{{"", "http", "https", "grpc"}})
      .Field("endpoint", &TracingConfig::endpoint, Text{})
      .Field("path", &TracingConfig::path, Text{})
      .Field("service-name", &TracingConfig::service_name, Text{})
      .Field("headers", &TracingConfig::headers, MapOf{Text{}}, kSecret);
  return table;
}

ConfigTable<ServerConfig> Server() {
  ConfigTable<ServerConfig> table;
  table.Field("advertiseIP", &ServerConfig::advertise_ip, Ip{})
      .Field("advertisePort", &ServerConfig::advertise_port, kPort)
      .Field("listenIP", &ServerConfig::listen_ip, Ip{})
      .Field("port", &ServerConfig::port, Number{.min = 1, .max = 65535})
      .Field("host", &ServerConfig::host, Text{})
      .Field("tls", &ServerConfig::tls, Optional{Tls()})
      .Field("cacheDir", &ServerConfig::cache_dir, Text{})
      .Field("logDir", &ServerConfig::log_dir, Text{})
      .Field("logLevel", &ServerConfig::log_level, Text{})
      .Field("logMaxSize", &ServerConfig::log_max_size, Number{.max = 1U << 30U})
      .Field("logMaxAge", &ServerConfig::log_max_age, Number{.max = 100'000})
      .Field("logMaxBackups", &ServerConfig::log_max_backups, Number{})
      .Field("pluginDir", &ServerConfig::plugin_dir, Text{})
      .Field("requestRateLimit", &ServerConfig::request_rate_limit, Real{.min = 0.001})
      // In charts and older files; nothing reads them.
      .Ignored("workHome")
      .Ignored("dataDir");
  return table;
}

ConfigTable<GcConfig> Gc() {
  ConfigTable<GcConfig> table;
  table.Field("pieceDownloadTimeout", &GcConfig::piece_download_timeout, Positive())
      .Field("peerGCInterval", &GcConfig::peer_gc_interval, Positive())
      .Field("peerTTL", &GcConfig::peer_ttl, Positive())
      .Field("taskGCInterval", &GcConfig::task_gc_interval, Positive())
      .Field("hostGCInterval", &GcConfig::host_gc_interval, Positive())
      .Field("hostTTL", &GcConfig::host_ttl, Positive());
  return table;
}

ConfigTable<SchedulingConfig> Scheduling() {
  ConfigTable<SchedulingConfig> table;
  table.Field("algorithm", &SchedulingConfig::algorithm, Text{})
      .Field("backToSourceCount", &SchedulingConfig::back_to_source_count, Number{.min = 1})
      .Field("retryBackToSourceLimit", &SchedulingConfig::retry_back_to_source_limit,
             Number{.min = 1})
      .Field("retryLimit", &SchedulingConfig::retry_limit, Number{.min = 1})
      .Field("retryInterval", &SchedulingConfig::retry_interval, Positive())
      .Fields("gc", &SchedulingConfig::gc, Gc());
  return table;
}

ConfigTable<RedisTlsConfig> RedisTls() {
  ConfigTable<RedisTlsConfig> table;
  table.Field("caCert", &RedisTlsConfig::ca_cert, Text{})
      .Field("cert", &RedisTlsConfig::cert, Text{})
      .Field("key", &RedisTlsConfig::key, Text{})
      .Field("insecureSkipVerify", &RedisTlsConfig::insecure_skip_verify, Flag{});
  return table;
}

ConfigTable<RedisConfig> Redis() {
  ConfigTable<RedisConfig> table;
  table.Field("addrs", &RedisConfig::addrs, ListOf{Text{}, true})
      .Field("masterName", &RedisConfig::master_name, Text{})
      .Field("username", &RedisConfig::username, Text{})
      .Field("password", &RedisConfig::password, Text{}, kSecret)
      .Field("sentinelUsername", &RedisConfig::sentinel_username, Text{})
      .Field("sentinelPassword", &RedisConfig::sentinel_password, Text{}, kSecret)
      .Field("poolSize", &RedisConfig::pool_size, Number{.min = 1})
      .Field("poolTimeout", &RedisConfig::pool_timeout, GoDuration())
      .Field("brokerDB", &RedisConfig::broker_db, Number{})
      .Field("backendDB", &RedisConfig::backend_db, Number{})
      .Field("tls", &RedisConfig::tls, Optional{RedisTls()});
  return table;
}

ConfigTable<ManagerConfig> Manager() {
  ConfigTable<ManagerConfig> table;
  table.Field("addr", &ManagerConfig::addr, Optional{Text{}})
      .Field("tls", &ManagerConfig::tls, Optional{Tls()})
      .Field("schedulerClusterID", &ManagerConfig::scheduler_cluster_id, Number{.min = 1})
      .Field("keepAlive.interval", &ManagerConfig::keep_alive_interval, Positive());
  return table;
}

ConfigTable<SeedPeerConfig> SeedPeer() {
  ConfigTable<SeedPeerConfig> table;
  table.Field("enable", &SeedPeerConfig::enable, Flag{})
      .Field("tls", &SeedPeerConfig::tls, Optional{Tls()})
      .Field("taskDownloadTimeout", &SeedPeerConfig::task_download_timeout, Positive());
  return table;
}

ConfigTable<OldRedisConfig> OldRedis() {
  ConfigTable<OldRedisConfig> table;
  table.Field("addrs", &OldRedisConfig::addrs, ListOf{Text{}, true})
      .Field("host", &OldRedisConfig::host, Text{})
      .Field("port", &OldRedisConfig::port, kPort)
      .Field("masterName", &OldRedisConfig::master_name, Text{})
      .Field("username", &OldRedisConfig::username, Text{})
      .Field("password", &OldRedisConfig::password, Text{}, kSecret)
      .Field("brokerDB", &OldRedisConfig::broker_db, Number{})
      .Field("backendDB", &OldRedisConfig::backend_db, Number{});
  return table;
}

ConfigTable<JobConfig> Job() {
  ConfigTable<JobConfig> table;
  table.Field("enable", &JobConfig::enable, Flag{})
      .Field("globalWorkerNum", &JobConfig::global_worker_num, Number{.min = 1})
      .Field("schedulerWorkerNum", &JobConfig::scheduler_worker_num, Number{.min = 1})
      .Field("localWorkerNum", &JobConfig::local_worker_num, Number{.min = 1})
      .Fields("redis", &JobConfig::redis, OldRedis());
  return table;
}

ConfigTable<MetricsConfig> Metrics() {
  ConfigTable<MetricsConfig> table;
  table.Field("enable", &MetricsConfig::enable, Flag{})
      .Field("addr", &MetricsConfig::addr, Text{})
      .Field("enableHost", &MetricsConfig::enable_host, Flag{});
  return table;
}

}  // namespace

const ConfigTable<Config>& ConfigKeys() {
  static const ConfigTable<Config> kTable = [] {
    ConfigTable<Config> table;
    table.Field("console", &Config::console, Flag{})
        .Field("pprofPort", &Config::pprof_port, Number{.min = -1, .max = 65535})
        .Fields("tracing", &Config::tracing, Tracing())
        .Fields("server", &Config::server, Server())
        .Fields("scheduler", &Config::scheduler, Scheduling())
        .Fields("database.redis", &Config::redis, Redis())
        .Field("dynConfig.refreshInterval", &Config::dynconfig_refresh_interval, Positive())
        .Field("host.idc", &Config::idc, Text{})
        .Field("host.location", &Config::location, Text{})
        .Fields("manager", &Config::manager, Manager())
        .Fields("seedPeer", &Config::seed_peer, SeedPeer())
        .Field("peer.tls", &Config::peer_tls, Optional{Tls()})
        .Fields("job", &Config::job, Job())
        .Fields("metrics", &Config::metrics, Metrics())
        .Field("network.enableIPv6", &Config::enable_ipv6, Flag{})
        // In charts and older files; nothing reads them.
        .Ignored("storage")
        .Ignored("dynConfig.type");
    return table;
  }();
  return kTable;
}

}  // namespace dragonfly::scheduler
