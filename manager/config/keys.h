#pragma once

#include "common/config/table.h"
#include "manager/config/config.h"

namespace dragonfly::manager {

/// Every key of manager.yaml: member, unit, bounds, older names.
[[nodiscard]] const ConfigTable<Config>& ConfigKeys();

}  // namespace dragonfly::manager
