#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/cluster/dynamic_config.h"

namespace dragonfly::scheduler {

/// The last dynamic configuration on disk, so that a scheduler that starts while its manager is
/// away works as before. JSON, private to this program.

/// Replaces the file at once; makes its folder. Blocks; errors name the path.
absl::Status SaveDynamicConfig(const std::string& path, const DynamicConfig& config);
/// NotFound when there is none; InvalidArgument when it cannot be read. Blocks.
absl::StatusOr<DynamicConfig> LoadDynamicConfig(const std::string& path);

std::string EncodeDynamicConfig(const DynamicConfig& config);
/// InvalidArgument for anything that EncodeDynamicConfig() would not write.
absl::StatusOr<DynamicConfig> DecodeDynamicConfig(std::string_view text);

}  // namespace dragonfly::scheduler
