#include "common/metrics/exposition.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include <prometheus/collectable.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "common/metrics/process_collector.h"

namespace dragonfly {

MetricsPage::MetricsPage() : registry_(std::make_unique<prometheus::Registry>()) {
  sources_.push_back(std::make_shared<ProcessCollector>());
}

MetricsPage::~MetricsPage() = default;

void MetricsPage::Add(std::shared_ptr<prometheus::Collectable> source) {
  MutexLock lock(mutex_);
  sources_.push_back(std::move(source));
}

std::string MetricsPage::Render() const {
  std::vector<std::shared_ptr<prometheus::Collectable>> sources;
  {
    MutexLock lock(mutex_);
    sources = sources_;
  }
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (const auto& source : sources) {
    std::vector<prometheus::MetricFamily> more = source->Collect();
    std::move(more.begin(), more.end(), std::back_inserter(families));
  }
  std::erase_if(families, [](const auto& family) { return family.metric.empty(); });
  std::sort(families.begin(), families.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return std::move(out).str();
}

}  // namespace dragonfly
