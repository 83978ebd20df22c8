#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "scheduler/cluster/dynamic_config.h"

namespace dragonfly {
struct ConfigNode;
}

namespace dragonfly::scheduler {

/// Reads the dynamic configuration of a scheduler without a manager; blocks. A file that is not
/// there is made, with the defaults. InvalidArgument "file:line: key: reason".
absl::StatusOr<DynamicConfig> LoadDynconfigFile(const std::string& path);
/// The same of a parsed file; `file` is its name in messages.
absl::StatusOr<DynamicConfig> ReadDynconfig(const ConfigNode& root, const std::string& file);

}  // namespace dragonfly::scheduler
