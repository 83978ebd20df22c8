#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/async/notifier.h"
#include "common/base/mutex.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// A TaskManager with a script: one content for every request, whose pieces arrive when the test
/// says so. Tasks are real ones of a Storage.
class FakeTasks final : public TaskManager {
 public:
  FakeTasks(asio::any_io_executor io, Storage& storage) : io_(std::move(io)), storage_(storage) {}

  // Set before use.
  std::string content;
  std::uint64_t piece_length = 1000;
  HeaderList response_headers;
  std::optional<absl::Status> start_error;
  bool asked_source = true;
  /// All pieces in order and a good end; otherwise Deliver() and End() say what comes.
  bool automatic = true;

  // From any thread; they concern every download that is running.
  void Deliver(PieceNumber number) { Push(number); }
  void End(absl::Status status) { Push(std::move(status)); }

  [[nodiscard]] std::vector<DownloadRequest> requests() const;
  /// Downloads whose caller has left.
  [[nodiscard]] int ended() const { return ended_; }

  [[nodiscard]] absl::StatusOr<TaskId> IdOf(const DownloadRequest& request) const override;
  Awaitable<absl::StatusOr<std::unique_ptr<Download>>> Start(DownloadRequest request) override;
  Awaitable<absl::Status> Delete(TaskKind kind, TaskId id) override;
  Awaitable<> Stop() override { co_return; }

 private:
  class Running;
  using Event = std::variant<PieceNumber, absl::Status>;
  void Push(Event event);

  const asio::any_io_executor io_;
  Storage& storage_;
  Notifier changed_{io_};
  std::vector<Event> events_;  ///< On io.
  std::atomic<int> ended_{0};
  mutable Mutex mutex_;
  std::vector<DownloadRequest> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
