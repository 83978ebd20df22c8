#pragma once

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "dfdaemon.pb.h"
#include "dfdaemon/rpc/service_deps.h"

namespace dragonfly::dfdaemon {

// The unary calls about tasks, as both services have them.

/// The task as its scheduler knows it. Internal with the scheduler's text on any failure.
Awaitable<absl::Status> ServeStatTask(const ServiceDeps& deps,
                                      const pb::dfdaemon::StatTaskRequest& request,
                                      pb::common::Task& response);

/// NotFound "local task not found: <id>".
absl::Status ServeStatLocalTask(const ServiceDeps& deps,
                                const pb::dfdaemon::StatLocalTaskRequest& request,
                                pb::dfdaemon::StatLocalTaskResponse& response);

absl::Status ServeListLocalTasks(const ServiceDeps& deps,
                                 pb::dfdaemon::ListLocalTasksResponse& response);

/// Removes the task here and tells its scheduler. Internal when it is unknown here.
Awaitable<absl::Status> ServeDeleteTask(const ServiceDeps& deps,
                                        const pb::dfdaemon::DeleteTaskRequest& request);

/// Removes the task here only. NotFound "task not found: <id>".
Awaitable<absl::Status> ServeDeleteLocalTask(const ServiceDeps& deps,
                                             const pb::dfdaemon::DeleteLocalTaskRequest& request);

Awaitable<absl::Status> ServeDeleteHost(const ServiceDeps& deps);

/// One piece with its bytes, for children that know no Vortex port. NotFound "piece metadata not
/// found"; ResourceExhausted when too many wait for their turn.
Awaitable<absl::Status> ServeDownloadPiece(const ServiceDeps& deps, rpc::ServerCall& call,
                                           const pb::dfdaemon::DownloadPieceRequest& request,
                                           pb::dfdaemon::DownloadPieceResponse& response);

}  // namespace dragonfly::dfdaemon
