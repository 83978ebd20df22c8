#pragma once

#include <string>

#include "absl/status/status.h"

namespace dragonfly::rpc {

/// Makes way for a server's socket: creates the parent folder and removes the file of a server that
/// is gone. FailedPrecondition when one still answers there or the file is no socket. Blocks.
absl::Status PrepareUnixSocket(const std::string& path);

}  // namespace dragonfly::rpc
