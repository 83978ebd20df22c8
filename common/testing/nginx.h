#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/testing/process.h"

namespace dragonfly {

/// A real nginx that serves the files of `root`; its own files go to `dir`. `server_lines` are added
/// to its server block. NotFound when it is not installed: skip the test.
[[nodiscard]] absl::StatusOr<RealServer> StartNginx(const std::string& dir, const std::string& root,
                                                    const std::string& server_lines = {});

}  // namespace dragonfly
