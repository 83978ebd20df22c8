#pragma once

#include <optional>
#include <string>

#include "dfdaemon/cluster/host_identity.h"
#include "dfdaemon/config/config.h"

namespace dragonfly::dfdaemon {

/// Environment variables that the chart sets.
struct PodNames {
  std::optional<std::string> pod_namespace;
  std::optional<std::string> pod_name;

  static PodNames FromEnvironment();
};

/// What this daemon is called in its cluster. `config` must be filled (FillFromHost).
[[nodiscard]] HostIdentity MakeIdentity(const Config& config, const PodNames& pod);

}  // namespace dragonfly::dfdaemon
