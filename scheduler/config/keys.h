#pragma once

#include "common/config/table.h"
#include "scheduler/config/config.h"

namespace dragonfly::scheduler {

/// Every key of scheduler.yaml: member, unit, bounds, older names.
[[nodiscard]] const ConfigTable<Config>& ConfigKeys();

}  // namespace dragonfly::scheduler
