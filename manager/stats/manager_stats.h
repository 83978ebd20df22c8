#pragma once

#include <memory>

#include "common/metrics/exposition.h"
#include "manager/rpc/manager_metrics.h"

namespace dragonfly::manager {

/// Everything on the manager's metrics page. Thread-safe.
class ManagerStats {
 public:
  ManagerStats();
  ~ManagerStats();
  ManagerStats(const ManagerStats&) = delete;
  ManagerStats& operator=(const ManagerStats&) = delete;

  [[nodiscard]] MetricsPage& page() { return page_; }
  [[nodiscard]] ManagerMetrics& manager_metrics();

 private:
  class Counters;

  MetricsPage page_;
  std::unique_ptr<Counters> counters_;
};

}  // namespace dragonfly::manager
