#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "common/metrics/exposition.h"
#include "scheduler/rpc/scheduler_metrics.h"
#include "scheduler/selection/scheduling_metrics.h"

namespace dragonfly::scheduler {

struct SchedulerStatsOptions {
  /// Count bytes per host, too: one time series per host and direction.
  bool host_traffic = false;
};

/// Everything on the scheduler's metrics page. Thread-safe.
class SchedulerStats {
 public:
  /// The clock outlives it.
  SchedulerStats(const SchedulerStatsOptions& options, const Clock& clock);
  ~SchedulerStats();
  SchedulerStats(const SchedulerStats&) = delete;
  SchedulerStats& operator=(const SchedulerStats&) = delete;

  [[nodiscard]] MetricsPage& page() { return page_; }
  [[nodiscard]] SchedulerMetrics& scheduler_metrics();
  [[nodiscard]] SchedulingMetrics& scheduling_metrics();

 private:
  class CallCounters;
  class ConversationCounters;

  MetricsPage page_;
  std::unique_ptr<CallCounters> calls_;
  std::unique_ptr<ConversationCounters> conversations_;
};

/// The label task_size_level of a content length, a number; -1 is unknown.
[[nodiscard]] std::size_t TaskSizeLevel(std::int64_t content_length);
inline constexpr std::size_t kTaskSizeLevels = 21;

}  // namespace dragonfly::scheduler
