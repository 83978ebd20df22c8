#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/types.h"

namespace dragonfly::dfdaemon {

/// Labels of the task counters: type, tag, app and priority. Absent tag and application are empty.
struct TaskLabels {
  TaskKind kind = TaskKind::kStandard;
  std::string tag;
  std::string application;
  Priority priority = Priority::kLevel0;
};

/// How a download call ended.
struct DownloadOutcome {
  enum class Result : std::uint8_t { kSucceeded, kFailed, kCallerLeft };
  Result result = Result::kSucceeded;
  std::uint64_t bytes = 0;  ///< Length of the content, or of the range asked for.
  std::chrono::nanoseconds duration{0};
};

/// Counts downloads: one per call of TaskManager::Start, however many share the work. Thread-safe.
class TaskMetrics {
 public:
  virtual ~TaskMetrics() = default;

  /// download_task_total + 1, concurrent_download_task_total + 1.
  virtual void DownloadStarted(const TaskLabels& labels) = 0;
  /// Exactly once after every DownloadStarted: concurrent_download_task_total - 1; kFailed:
  /// download_task_failure_total + 1; kSucceeded: download_task_duration_milliseconds is observed
  /// with the size level of `outcome.bytes`; kCallerLeft is neither.
  virtual void DownloadEnded(const TaskLabels& labels, const DownloadOutcome& outcome) = 0;

  /// download_task_blocked_total{type} + 1: one that was not even begun.
  virtual void DownloadBlocked(TaskKind kind) = 0;

  /// prefetch_task_total + 1. A prefetch counts as a download too.
  virtual void PrefetchStarted(const TaskLabels& labels) = 0;
  /// prefetch_task_failure_total + 1.
  virtual void PrefetchFailed(const TaskLabels& labels) = 0;

  /// download_traffic{type}: bytes of a finished piece, once per piece and where it came from;
  /// kLocalPeer once per caller that found it on this node's disk.
  virtual void PieceDownloaded(TrafficType type, TaskKind kind, std::uint64_t bytes) = 0;
};

class NullTaskMetrics final : public TaskMetrics {
 public:
  void DownloadStarted(const TaskLabels& /*labels*/) override {}
  void DownloadEnded(const TaskLabels& /*labels*/, const DownloadOutcome& /*outcome*/) override {}
  void DownloadBlocked(TaskKind /*kind*/) override {}
  void PrefetchStarted(const TaskLabels& /*labels*/) override {}
  void PrefetchFailed(const TaskLabels& /*labels*/) override {}
  void PieceDownloaded(TrafficType /*type*/, TaskKind /*kind*/, std::uint64_t /*bytes*/) override {}
};

}  // namespace dragonfly::dfdaemon
