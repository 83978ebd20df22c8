#include "common/rpc/serve.h"

namespace dragonfly::rpc::internal {

std::optional<SteadyTime> ReceivedDeadline(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return std::nullopt;
  const auto remaining = deadline - std::chrono::system_clock::now();
  // Without a deadline gRPC reports a time in the far future, whose distance would overflow a sum.
  if (remaining > std::chrono::hours(24 * 365)) return std::nullopt;
  return std::chrono::steady_clock::now() + remaining;
}

absl::Status ClientGone() { return absl::CancelledError("the client has gone away"); }

}  // namespace dragonfly::rpc::internal
