#include "scheduler/stats/scheduler_stats.h"

#include "common/daemon/version_gauge.h"
#include "scheduler/stats/call_counters.h"
#include "scheduler/stats/conversation_counters.h"

namespace dragonfly::scheduler {

SchedulerStats::SchedulerStats(const SchedulerStatsOptions& options, const Clock& clock)
    : calls_(std::make_unique<CallCounters>(page_.registry())),
      conversations_(std::make_unique<ConversationCounters>(page_, clock, options.host_traffic)) {
  AddVersionGauge(page_.registry(), "dragonfly_scheduler_version");
}

SchedulerStats::~SchedulerStats() = default;

SchedulerMetrics& SchedulerStats::scheduler_metrics() { return *calls_; }

SchedulingMetrics& SchedulerStats::scheduling_metrics() { return *conversations_; }

}  // namespace dragonfly::scheduler
