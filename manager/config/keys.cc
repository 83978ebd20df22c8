#include "manager/config/keys.h"

namespace dragonfly::manager {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;

const FieldOptions kSecret = {.secret = true, .old_paths = {}};

// Zero would make everything stale or late at once.
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

ConfigTable<GrpcConfig> Grpc() {
  ConfigTable<GrpcConfig> table;
  table.Field("advertiseIP", &GrpcConfig::advertise_ip, Ip{})
      .Field("listenIP", &GrpcConfig::listen_ip, Ip{})
      .Field("port.start", &GrpcConfig::port_start, kPort)
      .Field("port.end", &GrpcConfig::port_end, kPort)
      .Field("requestRateLimit", &GrpcConfig::request_rate_limit, Real{.min = 0.001});
  return table;
}

ConfigTable<RestTlsConfig> RestTls() {
  ConfigTable<RestTlsConfig> table;
  table.Field("cert", &RestTlsConfig::cert, Text{}).Field("key", &RestTlsConfig::key, Text{});
  return table;
}

ConfigTable<ServerConfig> Server() {
  ConfigTable<ServerConfig> table;
  table.Field("name", &ServerConfig::name, Text{})
      .Field("cacheDir", &ServerConfig::cache_dir, Text{})
      .Field("logDir", &ServerConfig::log_dir, Text{})
      .Field("pluginDir", &ServerConfig::plugin_dir, Text{})
      .Field("logLevel", &ServerConfig::log_level, Text{})
      .Field("logMaxSize", &ServerConfig::log_max_size, Number{.max = 1U << 30U})
      .Field("logMaxAge", &ServerConfig::log_max_age, Number{.max = 100'000})
      .Field("logMaxBackups", &ServerConfig::log_max_backups, Number{})
      .Fields("grpc", &ServerConfig::grpc, Grpc())
      // The Helm chart writes it one level too high.
      .Field("grpc.tls", &ServerConfig::grpc_tls, Optional{Tls()},
             {.secret = false, .old_paths = {"tls"}})
      .Field("rest.addr", &ServerConfig::rest_addr, Text{})
      .Field("rest.tls", &ServerConfig::rest_tls, Optional{RestTls()})
      // In charts and older files; nothing reads them.
      .Ignored("workHome")
      .Ignored("dataDir");
  return table;
}

ConfigTable<JwtConfig> Jwt() {
  ConfigTable<JwtConfig> table;
  table.Field("realm", &JwtConfig::realm, Text{})
      .Field("key", &JwtConfig::key, Text{}, kSecret)
      .Field("timeout", &JwtConfig::timeout, Positive())
      .Field("maxRefresh", &JwtConfig::max_refresh, Positive());
  return table;
}

ConfigTable<MysqlTlsConfig> MysqlTls() {
  ConfigTable<MysqlTlsConfig> table;
  table.Field("caCert", &MysqlTlsConfig::ca_cert, Text{})
      .Field("cert", &MysqlTlsConfig::cert, Text{})
      .Field("key", &MysqlTlsConfig::key, Text{})
      .Field("insecureSkipVerify", &MysqlTlsConfig::insecure_skip_verify, Flag{});
  return table;
}

ConfigTable<MysqlConfig> Mysql() {
  ConfigTable<MysqlConfig> table;
  table.Field("user", &MysqlConfig::user, Text{})
      .Field("password", &MysqlConfig::password, Text{}, kSecret)
      .Field("host", &MysqlConfig::host, Text{})
      .Field("port", &MysqlConfig::port, Number{.min = 1, .max = 65535})
      .Field("dbname", &MysqlConfig::dbname, Text{})
      .Field("tlsConfig", &MysqlConfig::tls_config,
             OneOf{{"", "true", "false", "skip-verify", "preferred"}})
      .Field("tls", &MysqlConfig::tls, Optional{MysqlTls()})
      .Field("migrate", &MysqlConfig::migrate, Flag{});
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
  table.Field("host", &RedisConfig::host, Text{})
      .Field("port", &RedisConfig::port, kPort)
      .Field("addrs", &RedisConfig::addrs, ListOf{Text{}, true})
      .Field("masterName", &RedisConfig::master_name, Text{})
      .Field("username", &RedisConfig::username, Text{})
      .Field("password", &RedisConfig::password, Text{}, kSecret)
      .Field("sentinelUsername", &RedisConfig::sentinel_username, Text{})
      .Field("sentinelPassword", &RedisConfig::sentinel_password, Text{}, kSecret)
      .Field("db", &RedisConfig::db, Number{})
      .Field("brokerDB", &RedisConfig::broker_db, Number{})
      .Field("backendDB", &RedisConfig::backend_db, Number{})
      .Field("poolSize", &RedisConfig::pool_size, Number{.min = 1})
      .Field("poolTimeout", &RedisConfig::pool_timeout, GoDuration())
      .Field("proxy.enable", &RedisConfig::proxy_enable, Flag{})
      .Field("proxy.addr", &RedisConfig::proxy_addr, Text{})
      .Field("tls", &RedisConfig::tls, Optional{RedisTls()});
  return table;
}

ConfigTable<DatabaseConfig> Database() {
  ConfigTable<DatabaseConfig> table;
  table
      .Field("type", &DatabaseConfig::type,
             OneOf{{"", "sqlite", "mysql", "mariadb", "postgres", "polardb"}})
      .Field("sqlite.path", &DatabaseConfig::sqlite_path, Text{})
      .Fields("mysql", &DatabaseConfig::mysql, Mysql())
      .Fields("redis", &DatabaseConfig::redis, Redis())
      // Engines of the original that this manager does not have; charts write the blocks anyway.
      .Ignored("postgres")
      .Ignored("polardb");
  return table;
}

ConfigTable<CacheConfig> Cache() {
  ConfigTable<CacheConfig> table;
  table.Field("redis.ttl", &CacheConfig::redis_ttl, Positive())
      .Field("local.size", &CacheConfig::local_size, Number{.min = 1})
      .Field("local.ttl", &CacheConfig::local_ttl, Positive());
  return table;
}

ConfigTable<JobConfig> Job() {
  ConfigTable<JobConfig> table;
  table.Field("preheat.tls.insecureSkipVerify", &JobConfig::preheat_insecure_skip_verify, Flag{})
      .Field("preheat.tls.caCert", &JobConfig::preheat_ca_cert, Text{})
      // Twelve hours themselves are refused, as in the original.
      .Field("syncPeers.interval", &JobConfig::sync_peers_interval,
             GoDuration(hours(12) + nanoseconds(1)))
      .Field("syncPeers.timeout", &JobConfig::sync_peers_timeout, Positive())
      .Field("syncPeers.batchSize", &JobConfig::sync_peers_batch_size, Number{.min = 1})
      .Ignored("rateLimit")
      .Ignored("gc")
      .Ignored("preheat.registryTimeout");
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
        .Fields("auth.jwt", &Config::jwt, Jwt())
        .Fields("database", &Config::database, Database())
        .Fields("cache", &Config::cache, Cache())
        .Fields("job", &Config::job, Job())
        .Field("metrics.enable", &Config::metrics_enable, Flag{})
        .Field("metrics.addr", &Config::metrics_addr, Text{})
        .Ignored("metrics.enablePeerGauge")
        .Field("network.enableIPv6", &Config::enable_ipv6, Flag{});
    return table;
  }();
  return kTable;
}

}  // namespace dragonfly::manager
