#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/random.h"
#include "scheduler/selection/evaluator.h"
#include "scheduler/swarm/task.h"

namespace dragonfly::scheduler {

/// Why a peer is not offered as a parent; the numbers are the order of the tests.
enum class Drop : std::uint8_t {
  kBlocked = 1,        ///< The child blocks it, or is it.
  kNotShared = 2,      ///< Its host shares nothing.
  kSameHost = 3,       ///< It is on the child's host.
  kNotInGraph = 4,     ///< Cannot happen here: a peer of the task is in its graph.
  kWithoutSource = 5,  ///< A normal peer that gets nothing from anybody and has not finished.
  kBadParent = 6,      ///< The evaluator says so.
  kCycle = 7,          ///< It gets pieces from the child, or is its parent already.
};
[[nodiscard]] std::string_view Name(Drop drop);

/// Stage one: draws peers of a task at random, drops the unfit, sorts the rest by score. One per
/// shard; pure.
class ParentFinder {
 public:
  struct Limits {
    std::size_t filter_parent_limit = 15;
    std::size_t candidate_parent_limit = 3;
  };
  struct Candidate {
    Peer* peer = nullptr;
    double score = 0;
    double affinity = 0;  ///< Only where the child trades.
    bool doubtful = false;
  };

  explicit ParentFinder(const Evaluator& evaluator) : evaluator_(evaluator) {}

  /// The parents to offer, best first; empty when there are none, or when the child's state does
  /// not allow any. Doubtful peers come last. Equal scores: whoever serves
  /// fewer children first, then in order of ids. A child that trades is offered near ones with few
  /// children first, and seeds are always considered. Good until the next call.
  std::span<const Candidate> Find(Peer& child, const Limits& limits, Random& random);

  /// The tests in their order. Call Task::MarkUnfit(child) before.
  [[nodiscard]] std::optional<Drop> WhyNot(const Peer& child, const Peer& candidate) const;

 private:
  const Evaluator& evaluator_;
  std::vector<Candidate> candidates_;
};

}  // namespace dragonfly::scheduler
