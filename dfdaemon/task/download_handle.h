#pragma once

#include <memory>
#include <optional>

#include "dfdaemon/output/output_file.h"
#include "dfdaemon/task/caller.h"
#include "dfdaemon/task/driver.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// What TaskManager::Start gives to its caller. May outlive the TaskManager, not the collaborators.
class DownloadHandle final : public Download {
 public:
  struct Parts {
    BlockingPool& disk;
    TaskMetrics& metrics;
    const Clock& clock;
    Logger log;
    TaskLabels labels;
    SteadyTime started_at;
    DownloadStarted started;
    std::shared_ptr<StoredTask> stored;
    std::shared_ptr<void> pin;
    std::shared_ptr<Caller> caller;
    std::weak_ptr<Driver> driver;
    std::optional<OutputRequest> output;
  };
  explicit DownloadHandle(Parts parts);
  ~DownloadHandle() override;

  [[nodiscard]] const DownloadStarted& started() const override { return parts_.started; }
  [[nodiscard]] const std::shared_ptr<StoredTask>& stored() const override {
    return parts_.stored;
  }
  Awaitable<absl::StatusOr<std::optional<PieceRecord>>> Next() override;

 private:
  [[nodiscard]] std::optional<PieceRecord> TakePiece();
  Awaitable<absl::Status> Finish();
  void Count(DownloadOutcome::Result result);

  Parts parts_;
  std::optional<absl::Status> result_;
  bool counted_ = false;
};

}  // namespace dragonfly::dfdaemon
