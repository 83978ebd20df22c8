#pragma once

#include <array>
#include <memory>
#include <string>

#include <prometheus/registry.h>

#include "common/metrics/labeled.h"
#include "scheduler/stats/scheduler_stats.h"

namespace dragonfly::scheduler {

/// Counters of calls: names, labels and help as Go scheduler/metrics/metrics.go, v2.4.0.
class SchedulerStats::CallCounters final : public SchedulerMetrics {
 public:
  explicit CallCounters(prometheus::Registry& registry);

  void Called(Method method) override;
  void CallFailed(Method method) override;
  void HostAnnounced(const AnnounceLabels& labels) override;
  void HostAnnounceFailed(const AnnounceLabels& labels) override;
  void ConversationOpened() override;
  void ConversationClosed(bool failed) override;

 private:
  struct Pair {
    prometheus::Counter* total = nullptr;
    prometheus::Counter* failure = nullptr;
  };
  static Pair AddPair(prometheus::Registry& registry, const std::string& name,
                      const std::string& help, const std::string& failure_help);
  /// With the original's usual texts about `noun`.
  static Pair AddPair(prometheus::Registry& registry, const std::string& name,
                      const std::string& noun);

  std::array<Pair, 10> methods_;
  Pair conversations_;
  prometheus::Gauge& open_conversations_;
  LabeledCounter<9> announced_;
  LabeledCounter<9> announce_failed_;
};

}  // namespace dragonfly::scheduler
