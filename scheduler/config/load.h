#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/config/config.h"

namespace dragonfly {
struct ConfigNode;
}

namespace dragonfly::scheduler {

struct LoadedConfig {
  Config config;
  /// Unknown keys, older names, settings without effect; to be logged once there is a log.
  std::vector<std::string> warnings;
};

/// Reads and checks scheduler.yaml; blocks. NotFound when there is no file; InvalidArgument
/// "file:line: key: reason".
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path);
/// The same of a parsed file; `file` is its name in messages.
absl::StatusOr<LoadedConfig> ReadConfig(const ConfigNode& root, const std::string& file);

/// The effective configuration as YAML, secrets masked.
[[nodiscard]] std::string PrintConfig(const Config& config);

/// Fills names and addresses that the file leaves open with this machine's. Blocks on name
/// resolution.
void FillFromHost(Config& config);

}  // namespace dragonfly::scheduler
