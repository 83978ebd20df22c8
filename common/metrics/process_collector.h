#pragma once

#include <string>
#include <vector>

#include <prometheus/collectable.h>

namespace dragonfly {

/// The process_* metrics that dashboards know from Go's and Rust's client libraries:
/// process_cpu_seconds_total, process_open_fds, process_max_fds, process_resident_memory_bytes,
/// process_virtual_memory_bytes, process_virtual_memory_max_bytes, process_start_time_seconds and
/// process_threads. Reads /proc; what cannot be read is left out. Thread-safe.
class ProcessCollector final : public prometheus::Collectable {
 public:
  /// `proc` is for tests.
  explicit ProcessCollector(std::string proc = "/proc") : proc_(std::move(proc)) {}

  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::string proc_;
};

}  // namespace dragonfly
