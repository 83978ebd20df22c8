#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "scheduler/swarm/peer.h"

namespace dragonfly::scheduler {

/// How good a peer would be as the parent of another. Pure; may be used by all shards at once.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// Higher is better.
  [[nodiscard]] virtual double Score(const Peer& parent, const Peer& child) const = 0;
  /// Not to be offered at all.
  [[nodiscard]] virtual bool IsBadParent(const Peer& peer) const = 0;
};

/// The parts of the score of evaluator `default`, each 0…1, for tests and explanations.
struct ScoreParts {
  double peak_bandwidth_usage = 0;
  double bandwidth_duration = 0;
  double concurrency = 0;
  double load_quality = 0;
  double idc_affinity = 0;
  double location_affinity = 0;
  double host_type = 0;
  double total = 0;
};
/// How near the two are, 0…2: the affinities of data centre and location.
[[nodiscard]] double Affinity(const Peer& parent, const Peer& child);
[[nodiscard]] ScoreParts DefaultScore(const Peer& parent, const Peer& child);

/// How much of a machine is free for another child, 0…1: that of its busiest part.
[[nodiscard]] double Headroom(const MachineLoad& load);

/// The score of evaluator `load-aware`: the default one for seven parts, the headroom for three.
[[nodiscard]] double LoadAwareScore(const Peer& parent, const Peer& child);

/// By the name in `scheduler.algorithm`: `default`, `load-aware`. As in the original every unknown
/// name means `default`; InvalidArgument for `plugin`: evaluators are not loaded from libraries.
absl::StatusOr<std::unique_ptr<const Evaluator>> MakeEvaluator(std::string_view algorithm);

}  // namespace dragonfly::scheduler
