#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"

namespace prometheus {
class Collectable;
class Registry;
}  // namespace prometheus

namespace dragonfly {

/// Content-Type of the text below, as Go's client library sends it.
inline constexpr std::string_view kMetricsContentType =
    "text/plain; version=0.0.4; charset=utf-8";

/// The metrics page of a program: a registry and further sources, written in the text format 0.0.4,
/// families sorted by name as Go's library does. Thread-safe.
class MetricsPage {
 public:
  /// With a process collector, see process_collector.h.
  MetricsPage();
  ~MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  /// Where the program's own metrics are registered.
  [[nodiscard]] prometheus::Registry& registry() { return *registry_; }
  /// Adds a source that computes its values when asked. It is asked on the thread of Render.
  void Add(std::shared_ptr<prometheus::Collectable> source);

  [[nodiscard]] std::string Render() const;

 private:
  std::unique_ptr<prometheus::Registry> registry_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<prometheus::Collectable>> sources_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly
