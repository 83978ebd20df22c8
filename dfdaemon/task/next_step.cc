#include "dfdaemon/task/next_step.h"

namespace dragonfly::dfdaemon {

NextStep DecideNextStep(const RoundView& view) {
  using Scheduler = RoundView::Scheduler;
  if (view.all_here) return NextStep::kFinish;
  const bool may_ask_for_more = view.more_parents_wanted && view.scheduler == Scheduler::kIdle &&
                                !view.reading_source;
  if (view.moving) return may_ask_for_more ? NextStep::kAskForMoreParents : NextStep::kWait;
  if (view.reading_source) return NextStep::kWait;
  if (view.source_granted) return view.source_allowed ? NextStep::kReadSource : NextStep::kFail;
  if (view.scheduler == Scheduler::kAsked) return NextStep::kWait;
  // Parents that are downloading themselves will have more to offer.
  if (view.parents_open) return may_ask_for_more ? NextStep::kAskForMoreParents : NextStep::kWait;
  if (view.scheduler == Scheduler::kIdle) {
    return view.fruitless_answers < view.max_fruitless_answers ? NextStep::kReschedule
                                                               : NextStep::kGiveUpOnScheduler;
  }
  return view.source_allowed ? NextStep::kReadSource : NextStep::kFail;
}

}  // namespace dragonfly::dfdaemon
