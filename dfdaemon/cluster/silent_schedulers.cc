#include "dfdaemon/cluster/silent_schedulers.h"

#include <algorithm>
#include <utility>

namespace dragonfly::dfdaemon {

std::vector<SilentSchedulers::Silence>::iterator SilentSchedulers::Find(
    const SchedulerEndpoint& scheduler) {
  return std::ranges::find(silences_, scheduler, &Silence::scheduler);
}

Duration SilentSchedulers::Silent(const SchedulerEndpoint& scheduler, SteadyTime now) {
  auto found = Find(scheduler);
  if (found == silences_.end()) {
    found = silences_.insert(silences_.end(), {scheduler, options_.first, now + options_.first});
  } else if (std::exchange(found->probed, false) || now >= found->until) {
    found->length = std::min(found->length * 2, options_.longest);
    found->until = now + found->length;
  }
  // Else one of many that had been waiting when the first one gave up.
  return found->until - now;
}

bool SilentSchedulers::Answered(const SchedulerEndpoint& scheduler) {
  const auto found = Find(scheduler);
  if (found == silences_.end()) return false;
  silences_.erase(found);
  return true;
}

SilentSchedulers::Standing SilentSchedulers::Of(const SchedulerEndpoint& scheduler,
                                                SteadyTime now) const {
  const auto found = std::ranges::find(silences_, scheduler, &Silence::scheduler);
  if (found == silences_.end()) return Standing::kAnswers;
  return now < found->until ? Standing::kSilent : Standing::kDue;
}

void SilentSchedulers::Probing(const SchedulerEndpoint& scheduler, SteadyTime now) {
  const auto found = Find(scheduler);
  if (found == silences_.end()) return;
  found->probed = true;
  found->until = now + options_.probe;
}

void SilentSchedulers::KeepOnly(const std::vector<SchedulerEndpoint>& known) {
  std::erase_if(silences_, [&known](const Silence& silence) {
    return std::ranges::find(known, silence.scheduler) == known.end();
  });
}

}  // namespace dragonfly::dfdaemon
