#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/mutex.h"

namespace dragonfly {

/// A metric without labels; present from the start, as Go's and Rust's libraries have it.
[[nodiscard]] prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                              const std::string& name, const std::string& help);
[[nodiscard]] prometheus::Gauge& AddGauge(prometheus::Registry& registry, const std::string& name,
                                          const std::string& help);
[[nodiscard]] prometheus::Histogram& AddHistogram(prometheus::Registry& registry,
                                                  const std::string& name, const std::string& help,
                                                  const prometheus::Histogram::BucketBoundaries& le);

/// A family with N labels. With() finds a known set of values by one hash look-up under a mutex;
/// keep its result where the values are fixed. Values that outsiders choose cannot fill the memory:
/// from kMaxSets sets on, new ones count as a set whose values are all `other`. Thread-safe; the
/// registry must outlive it.
template <class Metric, std::size_t N>
class Labeled {
 public:
  static constexpr std::size_t kMaxSets = 2000;
  using Names = std::array<std::string, N>;
  using Values = std::array<std::string_view, N>;

  Labeled(prometheus::Registry& registry, const std::string& name, const std::string& help,
          Names labels)
    requires(!std::same_as<Metric, prometheus::Histogram>)
      : labels_(std::move(labels)),
        family_(Build(registry).Name(name).Help(help).Register(registry)) {}

  Labeled(prometheus::Registry& registry, const std::string& name, const std::string& help,
          Names labels, prometheus::Histogram::BucketBoundaries le)
    requires std::same_as<Metric, prometheus::Histogram>
      : labels_(std::move(labels)),
        buckets_(std::move(le)),
        family_(prometheus::BuildHistogram().Name(name).Help(help).Register(registry)) {}

  Labeled(const Labeled&) = delete;
  Labeled& operator=(const Labeled&) = delete;

  /// The metric of these label values, in the order of the names.
  template <class... Texts>
    requires(sizeof...(Texts) == N)
  Metric& With(const Texts&... values) {
    return Find(Values{std::string_view(values)...});
  }

 private:
  static auto Build(prometheus::Registry&) {
    if constexpr (std::same_as<Metric, prometheus::Counter>) {
      return prometheus::BuildCounter();
    } else {
      return prometheus::BuildGauge();
    }
  }

  Metric& Find(Values values) {
    std::string key;
    for (const std::string_view value : values) {
      key += value;
      key += '\0';
    }
    MutexLock lock(mutex_);
    if (const auto found = known_.find(key); found != known_.end()) return *found->second;
    if (known_.size() >= kMaxSets) {
      values.fill("other");
      return Add(values);
    }
    Metric& metric = Add(values);
    known_.emplace(std::move(key), &metric);
    return metric;
  }

  Metric& Add(const Values& values) {
    std::map<std::string, std::string> labels;
    for (std::size_t i = 0; i < N; ++i) labels.emplace(labels_[i], values[i]);
    if constexpr (std::same_as<Metric, prometheus::Histogram>) {
      return family_.Add(labels, buckets_);
    } else {
      return family_.Add(labels);
    }
  }

  const Names labels_;
  const prometheus::Histogram::BucketBoundaries buckets_;
  prometheus::Family<Metric>& family_;
  Mutex mutex_;
  absl::flat_hash_map<std::string, Metric*> known_ ABSL_GUARDED_BY(mutex_);
};

template <std::size_t N>
using LabeledCounter = Labeled<prometheus::Counter, N>;
template <std::size_t N>
using LabeledGauge = Labeled<prometheus::Gauge, N>;
template <std::size_t N>
using LabeledHistogram = Labeled<prometheus::Histogram, N>;

}  // namespace dragonfly
