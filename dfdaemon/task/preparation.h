#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/single_flight.h"
#include "dfdaemon/task/task_env.h"

namespace dragonfly::dfdaemon {

/// A task that is on this node's disk, held there.
struct PreparedTask {
  std::shared_ptr<StoredTask> stored;
  std::shared_ptr<void> pin;
  /// Known when the source was asked just now.
  std::optional<bool> source_has_ranges;
  /// Its pieces were read from the source for this request, because nothing else told their number.
  bool spooled = false;
};

/// Finds the task of a request, or asks the source for its length and creates it. Several requests at
/// once for one task ask the source once, unless it could tell them apart. Runs on: the `io` executor.
class Preparation {
 public:
  explicit Preparation(TaskEnv& env) : env_(env), flights_(env.background) {}

  Awaitable<absl::StatusOr<PreparedTask>> Prepare(DownloadRequest request, TaskId id);

 private:
  [[nodiscard]] std::optional<PreparedTask> Known(TaskKind kind, const TaskId& id) const;
  Awaitable<absl::StatusOr<PreparedTask>> AskSource(DownloadRequest request, TaskId id,
                                                    SourceRequest source);

  Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> Spool(DownloadRequest request,
                                                                   SourceRequest source);

  TaskEnv& env_;
  SingleFlight<std::string, absl::StatusOr<PreparedTask>> flights_;
};

}  // namespace dragonfly::dfdaemon
