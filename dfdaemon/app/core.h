#pragma once

#include <string>
#include <utility>

#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "dfdaemon/app/cpus.h"
#include "dfdaemon/app/identity.h"
#include "dfdaemon/cluster/host_identity.h"
#include "dfdaemon/config/config.h"
#include "dfdaemon/stats/daemon_metrics.h"

namespace dragonfly::dfdaemon {

/// What every part of the daemon stands on. Made first, destroyed last.
struct Core {
  Core(Config its_config, std::string its_dynconfig_path, Logger its_log)
      : config(std::move(its_config)),
        dynconfig_path(std::move(its_dynconfig_path)),
        host(MakeIdentity(config, PodNames::FromEnvironment())),
        log(std::move(its_log)),
        data("data", AllowedCpus()) {}
  /// After everything that lives on the runtimes was stopped.
  ~Core() {
    // A thread holds the executors of others for a moment after it has answered them, so all have
    // ended before the first executor goes.
    for (Runtime* runtime : {&data, &io, &admin}) runtime->Stop();
    for (Runtime* runtime : {&data, &io, &admin}) runtime->Join();
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  const Config config;  ///< Filled by FillFromHost().
  const std::string dynconfig_path;
  const HostIdentity host;
  const Logger log;
  const SystemClock clock;
  DaemonMetrics metrics;

  Runtime admin{"admin", 1};  ///< Health and metrics; answers when the others are stuck.
  Runtime io{"io", 1};        ///< Decisions and control messages.
  Runtime data;               ///< Bytes.
  BlockingPool disk{4};       ///< Calls that block.
};

}  // namespace dragonfly::dfdaemon
