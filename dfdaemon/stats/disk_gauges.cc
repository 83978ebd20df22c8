#include "dfdaemon/stats/disk_gauges.h"

#include <utility>

namespace dragonfly::dfdaemon {
namespace {

prometheus::MetricFamily Gauge(const std::string& name, const std::string& help,
                               std::uint64_t value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = static_cast<double>(value);
  return {name, help, prometheus::MetricType::Gauge, {std::move(metric)}};
}

}  // namespace

DiskGauges::DiskGauges(const Storage& storage, BlockingPool& disk, std::string total_name,
                       std::string used_name)
    : storage_(storage),
      disk_(disk),
      total_name_(std::move(total_name)),
      used_name_(std::move(used_name)) {}

void DiskGauges::Look() const {
  const auto usage = storage_.Usage();
  const MutexLock lock(mutex_);
  if (usage.ok()) seen_ = *usage;
  looking_ = false;
  looked_.NotifyAll();
}

std::vector<prometheus::MetricFamily> DiskGauges::Collect() const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::optional<DiskUsage> seen;
  {
    const MutexLock lock(mutex_);
    if (!looking_ && !closed_) {
      looking_ = true;
      disk_.Post([this] { Look(); });
    }
    while (looking_ && looked_.WaitUntil(mutex_, deadline)) {
    }
    seen = seen_;
  }
  if (!seen) return {};
  return {Gauge(total_name_, "Bytes of the disk that the storage may use.", seen->total),
          Gauge(used_name_, "Bytes of that disk in use.", seen->used)};
}

void DiskGauges::Close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  while (looking_) looked_.Wait(mutex_);
}

}  // namespace dragonfly::dfdaemon
