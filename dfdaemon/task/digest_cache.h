#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/base/types.h"
#include "common/digest/digest.h"

namespace dragonfly::dfdaemon {

/// Digests of contents that were read as a whole by this process, so that each content is read once
/// per algorithm. Not thread-safe.
class DigestCache {
 public:
  explicit DigestCache(std::size_t max_tasks = 65'536) : max_tasks_(max_tasks) {}

  void Put(TaskKind kind, const TaskId& id, const Digest& digest) {
    // Reading contents once more is the price of a bound that is reached hardly ever.
    if (tasks_.size() >= max_tasks_) tasks_.clear();
    auto& known = tasks_[{kind, id}];
    std::erase_if(known, [&](const Digest& old) { return old.algorithm == digest.algorithm; });
    known.push_back(digest);
  }
  [[nodiscard]] std::optional<Digest> Get(TaskKind kind, const TaskId& id,
                                          DigestAlgorithm algorithm) const {
    const auto found = tasks_.find({kind, id});
    if (found == tasks_.end()) return std::nullopt;
    for (const Digest& digest : found->second) {
      if (digest.algorithm == algorithm) return digest;
    }
    return std::nullopt;
  }
  void Forget(TaskKind kind, const TaskId& id) { tasks_.erase({kind, id}); }

 private:
  const std::size_t max_tasks_;
  absl::flat_hash_map<std::pair<TaskKind, TaskId>, std::vector<Digest>> tasks_;
};

}  // namespace dragonfly::dfdaemon
