#pragma once

#include <memory>
#include <string>

#include <grpcpp/channel.h>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"

namespace dragonfly::rpc {

/// grpc.health.v1 Check of `service` ("" is the server as a whole). OK only for SERVING; Unavailable
/// when it answers anything else; otherwise the status of the call (NotFound: no such service).
Awaitable<absl::Status> CheckHealth(std::shared_ptr<grpc::Channel> channel, std::string service,
                                    Duration timeout);

}  // namespace dragonfly::rpc
