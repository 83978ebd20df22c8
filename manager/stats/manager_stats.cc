#include "manager/stats/manager_stats.h"

#include "common/daemon/version_gauge.h"
#include "common/metrics/labeled.h"

namespace dragonfly::manager {

// Names, labels and help: Go manager/metrics/metrics.go, v2.4.0.
class ManagerStats::Counters final : public ManagerMetrics {
 public:
  explicit Counters(prometheus::Registry& registry)
      : searches_(registry, "dragonfly_manager_search_scheduler_cluster_total",
                  "Counter of the number of searching scheduler cluster.", {"version", "commit"}),
        failures_(registry, "dragonfly_manager_search_scheduler_cluster_failure_total",
                  "Counter of the number of failed of searching scheduler cluster.",
                  {"version", "commit"}) {
    AddVersionGauge(registry, "dragonfly_manager_version");
  }

  void SearchedSchedulerClusters(std::string_view version, std::string_view commit) override {
    searches_.With(version, commit).Increment();
  }
  void SearchFailed(std::string_view version, std::string_view commit) override {
    failures_.With(version, commit).Increment();
  }

 private:
  LabeledCounter<2> searches_;
  LabeledCounter<2> failures_;
};

ManagerStats::ManagerStats() : counters_(std::make_unique<Counters>(page_.registry())) {}

ManagerStats::~ManagerStats() = default;

ManagerMetrics& ManagerStats::manager_metrics() { return *counters_; }

}  // namespace dragonfly::manager
