#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common.pb.h"
#include "common/async/awaitable.h"
#include "common/base/types.h"
#include "common/rpc/pb.h"

namespace dragonfly::dfdaemon {

/// What the gRPC services pass on to schedulers as it is. Lives on the `io` executor.
class SchedulerQueries {
 public:
  virtual ~SchedulerQueries() = default;
  /// The task as its scheduler knows it.
  virtual Awaitable<absl::StatusOr<pb::common::Task>> StatTask(TaskId task) = 0;
  /// Tells every usable scheduler that this host leaves. The first error; all are tried.
  virtual Awaitable<absl::Status> DeleteHost() = 0;
};

}  // namespace dragonfly::dfdaemon
