#pragma once

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/rpc/serve.h"
#include "dfdaemon.pb.h"
#include "dfdaemon/rpc/service_deps.h"

namespace dragonfly::dfdaemon {

/// Checks a request as far as it can be checked without the source and turns it into the daemon's
/// own form. InvalidArgument, or PermissionDenied for an output path where none is allowed.
absl::StatusOr<DownloadRequest> ReadDownloadRequest(
    const pb::dfdaemon::DownloadTaskRequest& message, bool allow_output_path);

/// DownloadTask of both services: one message that tells what will come, then one per piece.
Awaitable<absl::Status> ServeDownloadTask(const ServiceDeps& deps,
                                          const pb::dfdaemon::DownloadTaskRequest& request,
                                          rpc::Writer<pb::dfdaemon::DownloadTaskResponse>& writer);

/// `length` bytes of the file at `offset`; blocks. DataLoss when the file is shorter.
absl::StatusOr<std::string> ReadFileRegion(int fd, std::uint64_t offset, std::uint64_t length);

}  // namespace dragonfly::dfdaemon
