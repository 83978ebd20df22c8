#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "scheduler/swarm/host.h"
#include "scheduler/swarm/states.h"

namespace dragonfly::scheduler {

/// What decides who fetches a task from the source.
struct RegistrationFacts {
  TaskState task_state = TaskState::kPending;
  bool available_peer = false;      ///< Somebody else has the task or is getting it.
  bool need_back_to_source = false;  ///< The request's.
  HostType host_type = HostType::kNormal;
  bool seeds_available = false;
  bool seed_peer_failed = false;  ///< Not long ago.
  std::int32_t priority = 0;      ///< Effective; see EffectivePriority().
  /// Running, but nobody has or fetches it, and no seed peer is on its way.
  bool stalled = false;
};

struct RegistrationDecision {
  absl::Status status;  ///< Not OK: the peer is refused.
  bool trigger_seed = false;
  bool need_back_to_source = false;
};

/// NotFound, FailedPrecondition: priorities 2 and 1 of the first download of a task.
/// InvalidArgument: no such priority.
[[nodiscard]] RegistrationDecision DecideRegistration(const RegistrationFacts& facts);

}  // namespace dragonfly::scheduler
