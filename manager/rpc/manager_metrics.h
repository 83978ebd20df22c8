#pragma once

#include <string_view>

namespace dragonfly::manager {

/// Counts what daemons ask. Thread-safe.
class ManagerMetrics {
 public:
  virtual ~ManagerMetrics() = default;
  /// A daemon of that version and commit asked for its schedulers.
  virtual void SearchedSchedulerClusters(std::string_view version, std::string_view commit) = 0;
  /// No cluster was fit, so it got all of them.
  virtual void SearchFailed(std::string_view version, std::string_view commit) = 0;
};

}  // namespace dragonfly::manager
