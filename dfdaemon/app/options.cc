#include "dfdaemon/app/options.h"

namespace dragonfly::dfdaemon {

TaskManagerOptions TaskOptions(const Config& config, const HostIdentity& host, const Logger& log,
                               RateLimiter& prefetch_limit) {
  TaskManagerOptions options;
  options.host_id = host.id;
  options.ip = host.ip;
  options.hostname = host.hostname;
  options.is_seed = host.is_seed;
  options.concurrent_piece_count =
      static_cast<std::uint32_t>(config.download.concurrent_piece_count);
  options.max_schedule_count = static_cast<std::uint32_t>(config.scheduler.max_schedule_count);
  options.piece_timeout = config.download.piece_timeout;
  options.collected_piece_timeout = config.download.collected_piece_timeout;
  options.write_piece_timeout = config.storage.write_piece_timeout;
  options.schedule_timeout = config.scheduler.schedule_timeout;
  options.acquire_prefetch = [&prefetch_limit](std::uint64_t bytes) {
    return prefetch_limit.Acquire(bytes);
  };
  options.spool_dir = config.storage.dir;
  options.log = log;
  return options;
}

ProxyOptions MakeProxyOptions(const Config& config, const Logger& log) {
  const ProxyConfig& proxy = config.proxy;
  ProxyOptions options;
  options.ip = proxy.server_ip;
  options.port = proxy.server_port;
  options.host_ip = config.host.ip;
  options.ca_cert_path = proxy.ca_cert;
  options.ca_key_path = proxy.ca_key;
  options.username = proxy.username.value_or("");
  options.password = proxy.password.value_or("");
  options.request_rate_limit = proxy.request_rate_limit;
  options.head_bytes_max = proxy.read_buffer_size;
  for (const ProxyRuleConfig& rule : proxy.rules) {
    options.rules.push_back({.regex = rule.regex,
                             .use_tls = rule.use_tls,
                             .redirect = rule.redirect,
                             .filtered_query_params = rule.filtered_query_params});
  }
  options.registry_addr = proxy.registry_mirror_addr;
  options.registry_cert_path = proxy.registry_mirror_cert;
  options.enable_task_id_based_blob_digest = proxy.enable_task_id_based_blob_digest;
  options.disable_back_to_source = proxy.disable_back_to_source;
  options.prefetch = proxy.prefetch;
  options.log = log;
  return options;
}

GcOptions CollectingOptions(const Config& config) {
  GcOptions options;
  options.interval = config.gc.interval;
  options.policy.task_ttl = config.gc.task_ttl;
  options.policy.disk_high_percent = static_cast<unsigned>(config.gc.disk_high_threshold_percent);
  options.policy.disk_low_percent = static_cast<unsigned>(config.gc.disk_low_threshold_percent);
  options.page_cache_idle = config.gc.page_cache_idle_timeout;
  return options;
}

AdminServersOptions AdminOptions(const Config& config) {
  AdminServersOptions options;
  options.health = {config.health.server_ip, config.health.server_port};
  options.metrics = {config.metrics.server_ip, config.metrics.server_port};
  options.stats = {config.stats.server_ip, config.stats.server_port};
  return options;
}

}  // namespace dragonfly::dfdaemon
