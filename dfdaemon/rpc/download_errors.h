#pragma once

#include <string>

#include "absl/status/status.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {

/// An RPC's status as it leaves: `details` are the raw bytes of grpc-status-details-bin.
struct RpcFailure {
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::string message;
  std::string details;
};

/// `{"message":…,"header":{…},"status_code":…}`, which dfget, dfcache and proxies of the original
/// parse. Header names in lower case; status_code is null when there was no HTTP answer.
[[nodiscard]] std::string SourceErrorJson(const SourceErrorInfo& info);

/// How a failed DownloadTask ends. Callers of the original look for texts, so these stay: a failure
/// at the source is Internal with JSON details, a bad range FailedPrecondition, a bad request
/// InvalidArgument, a refusal by policy PermissionDenied, everything else Internal with text.
[[nodiscard]] RpcFailure DownloadFailure(const absl::Status& status);

}  // namespace dragonfly::dfdaemon
