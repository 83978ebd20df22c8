#pragma once

#include "common/config/table.h"
#include "dfdaemon/config/config.h"

namespace dragonfly::dfdaemon {

/// Every key of dfdaemon.yaml: member, unit, bounds, older names.
[[nodiscard]] const ConfigTable<Config>& ConfigKeys();

}  // namespace dragonfly::dfdaemon
