#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "absl/base/thread_annotations.h"
#include "common/async/blocking_pool.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// The gauges of the storage's disk, looked at for every scrape. The look is taken elsewhere: a
/// disk that hangs must not hold up the thread that answers health checks. Thread-safe.
class DiskGauges final : public prometheus::Collectable {
 public:
  /// Waits for the disk so long; then the page has what was seen last.
  static constexpr auto kPatience = std::chrono::milliseconds(200);

  /// Both outlive Close(). The names are the full ones of the two metrics.
  DiskGauges(const Storage& storage, BlockingPool& disk, std::string total_name,
             std::string used_name);

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;
  /// The storage is left alone from now on; waits for a look that is under way.
  void Close();

 private:
  void Look() const;

  const Storage& storage_;
  BlockingPool& disk_;
  const std::string total_name_;
  const std::string used_name_;

  mutable Mutex mutex_;
  mutable CondVar looked_;
  mutable bool looking_ ABSL_GUARDED_BY(mutex_) = false;
  mutable std::optional<DiskUsage> seen_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace dragonfly::dfdaemon
