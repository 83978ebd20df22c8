#include "scheduler/selection/registration.h"

#include "common/base/strings.h"

namespace dragonfly::scheduler {
namespace {

RegistrationDecision BySeedOrSource(const RegistrationFacts& facts) {
  RegistrationDecision decision;
  decision.trigger_seed = !facts.seed_peer_failed;
  decision.need_back_to_source = facts.seed_peer_failed;
  return decision;
}

RegistrationDecision ByPriority(const RegistrationFacts& facts) {
  RegistrationDecision decision;
  switch (facts.priority) {
    case 0:
    case 4:
    case 5:
    case 6:
      return BySeedOrSource(facts);
    case 3:
      decision.need_back_to_source = true;
      break;
    case 2:
      decision.status = absl::NotFoundError("LEVEL2 peer not found candidate peers");
      break;
    case 1:
      decision.status = absl::FailedPreconditionError("LEVEL1 peer is forbidden");
      break;
    default:
      decision.status = absl::InvalidArgumentError(StrCat("invalid priority ", facts.priority));
  }
  return decision;
}

}  // namespace

RegistrationDecision DecideRegistration(const RegistrationFacts& facts) {
  RegistrationDecision decision;
  if (facts.need_back_to_source) {
    decision.need_back_to_source = true;
    return decision;
  }
  const bool triggers = !IsSeed(facts.host_type) && facts.seeds_available;
  if (facts.task_state == TaskState::kRunning) {
    // Only the end of a back-to-source download takes a task out of Running, so it also means "was
    // fetched once". When those who had it are gone, a seed peer is asked again; the original sends
    // everybody to the source instead. Priorities 1 to 3 are about a task's first download only.
    const bool seed_level = facts.priority == 0 || facts.priority >= 4;
    decision.trigger_seed =
        facts.stalled && triggers && seed_level && !facts.seed_peer_failed;
    return decision;
  }
  if (facts.task_state == TaskState::kSucceeded && facts.available_peer) return decision;
  if (triggers) return ByPriority(facts);
  decision.need_back_to_source = true;
  return decision;
}

}  // namespace dragonfly::scheduler
