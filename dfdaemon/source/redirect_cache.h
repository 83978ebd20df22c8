#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"

namespace dragonfly::dfdaemon {

/// Where an origin sends readers of a URL, so that not every piece asks again. Keeps the `capacity`
/// entries that were used last, each for `ttl`. Thread-safe.
class RedirectCache {
 public:
  RedirectCache(std::size_t capacity, Duration ttl, const Clock& clock)
      : capacity_(capacity), ttl_(ttl), clock_(clock) {}

  [[nodiscard]] std::optional<std::string> Find(const std::string& key);
  void Put(const std::string& key, std::string target);
  void Drop(const std::string& key);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::string target;
    SteadyTime expires;
  };
  using Entries = std::list<Entry>;  // The last used first.

  const std::size_t capacity_;
  const Duration ttl_;
  const Clock& clock_;

  mutable Mutex mutex_;
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Entries::iterator> index_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
