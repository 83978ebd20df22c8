#include "dfdaemon/cluster/scheduler_directory.h"

#include "common/base/status_macros.h"

namespace dragonfly::dfdaemon {

using Standing = SilentSchedulers::Standing;

void SchedulerDirectory::Replace(std::vector<SchedulerEndpoint> endpoints) {
  if (endpoints == set_->endpoints()) return;
  set_ = std::make_shared<const SchedulerSet>(std::move(endpoints));
  // One that was away is another one when it comes back.
  silent_.KeepOnly(set_->endpoints());
  changed_.Notify();
}

void SchedulerDirectory::Suspect(const SchedulerEndpoint& endpoint) {
  std::vector<SchedulerEndpoint> rest = set_->endpoints();
  std::erase(rest, endpoint);
  Replace(std::move(rest));
  refresh_.Notify();
}

SchedulerSet SchedulerDirectory::Answering(SteadyTime now) const {
  std::vector<SchedulerEndpoint> answering = set_->endpoints();
  std::erase_if(answering, [&](const SchedulerEndpoint& endpoint) {
    return silent_.Of(endpoint, now) != Standing::kAnswers;
  });
  return SchedulerSet(std::move(answering));
}

absl::StatusOr<SchedulerEndpoint> SchedulerDirectory::ForRegistration(const TaskId& task,
                                                                      SteadyTime now) {
  ASSIGN_OR_RETURN(SchedulerEndpoint owner, set_->Pick(task));
  switch (silent_.Of(owner, now)) {
    case Standing::kAnswers:
      return owner;
    case Standing::kDue:
      silent_.Probing(owner, now);
      return owner;
    case Standing::kSilent:
      break;
  }
  const SchedulerSet others = Answering(now);
  if (others.endpoints().empty()) {
    return absl::UnavailableError("no scheduler answered the last registrations");
  }
  return others.Pick(task);
}

absl::StatusOr<SchedulerEndpoint> SchedulerDirectory::OwnerOf(const TaskId& task,
                                                              SteadyTime now) const {
  ASSIGN_OR_RETURN(SchedulerEndpoint owner, set_->Pick(task));
  if (silent_.Of(owner, now) == Standing::kAnswers) return owner;
  const SchedulerSet others = Answering(now);
  return others.endpoints().empty() ? owner : others.Pick(task);
}

Duration SchedulerDirectory::Silent(const SchedulerEndpoint& endpoint, SteadyTime now) {
  // Perhaps its health checks fail as well by now.
  refresh_.Notify();
  return silent_.Silent(endpoint, now);
}

}  // namespace dragonfly::dfdaemon
