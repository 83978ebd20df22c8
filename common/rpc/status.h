#pragma once

#include <string>
#include <string_view>

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace dragonfly::rpc {

/// The raw bytes of the trailer `grpc-status-details-bin` travel as the one payload of our own in an
/// absl::Status. dfdaemons put JSON there, not a google.rpc.Status.
absl::Status WithDetails(absl::Status status, std::string_view details);
/// Empty when there are none.
std::string StatusDetails(const absl::Status& status);

/// Codes are equal on both sides. Text that is not UTF-8 is replaced, because gRPC peers refuse it.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace dragonfly::rpc
