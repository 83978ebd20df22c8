#pragma once

#include "common/log/logger.h"
#include "common/ratelimit/rate_limiter.h"
#include "dfdaemon/cluster/host_identity.h"
#include "dfdaemon/config/config.h"
#include "dfdaemon/gc/garbage_collector.h"
#include "dfdaemon/proxy/proxy.h"
#include "dfdaemon/stats/admin_servers.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

// Keys of dfdaemon.yaml as the options of the folders.

[[nodiscard]] TaskManagerOptions TaskOptions(const Config& config, const HostIdentity& host,
                                             const Logger& log, RateLimiter& prefetch_limit);
[[nodiscard]] ProxyOptions MakeProxyOptions(const Config& config, const Logger& log);
[[nodiscard]] GcOptions CollectingOptions(const Config& config);
[[nodiscard]] AdminServersOptions AdminOptions(const Config& config);

}  // namespace dragonfly::dfdaemon
