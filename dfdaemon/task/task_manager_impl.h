#pragma once

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/log/limited_logger.h"
#include "dfdaemon/task/caller.h"
#include "dfdaemon/task/driver.h"
#include "dfdaemon/task/preparation.h"
#include "dfdaemon/task/task_env.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

class TaskManagerImpl final : public TaskManager {
 public:
  TaskManagerImpl(TaskManagerOptions options, Collaborators with);

  [[nodiscard]] absl::StatusOr<TaskId> IdOf(const DownloadRequest& request) const override;
  Awaitable<absl::StatusOr<std::unique_ptr<Download>>> Start(DownloadRequest request) override;
  Awaitable<absl::Status> Delete(TaskKind kind, TaskId id) override;
  Awaitable<> Stop() override;

 private:
  using Key = std::pair<TaskKind, TaskId>;

  Awaitable<absl::StatusOr<std::unique_ptr<Download>>> StartCounted(DownloadRequest request,
                                                                    SteadyTime started);
  Awaitable<absl::Status> Inspect(TaskKind kind, TaskId id);
  [[nodiscard]] absl::StatusOr<TaskId> Check(const DownloadRequest& request) const;
  Awaitable<absl::StatusOr<Caller::Wish>> MakeWish(DownloadRequest request, PreparedTask& task,
                                                   PieceLayout layout);
  /// Has the caller served: at once, by the running download of the task, or by a new one.
  PeerIdentity Serve(const std::shared_ptr<Caller>& caller, const PreparedTask& task,
                     const PieceLayout& layout, std::weak_ptr<Driver>& driver);
  [[nodiscard]] bool MustBeJudged(const Caller& caller, const StoredTask& stored,
                                  const std::optional<Digest>& blob) const;
  [[nodiscard]] PeerIdentity NewPeer(const TaskId& id);
  static Awaitable<> RunDriver(TaskManagerImpl& self, Key key, std::shared_ptr<Driver> driver);
  void StartPrefetch(const DownloadRequest& request, const std::shared_ptr<StoredTask>& stored);
  static Awaitable<> Prefetch(TaskManagerImpl& self, DownloadRequest request,
                              std::shared_ptr<StoredTask> stored);

  TaskEnv env_;
  Preparation preparation_;
  absl::flat_hash_map<Key, std::shared_ptr<Driver>> drivers_;
  LimitedLogger blocked_log_;
  bool stopping_ = false;
};

}  // namespace dragonfly::dfdaemon
