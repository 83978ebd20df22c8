#include "dfdaemon/task/round.h"

#include <algorithm>
#include <utility>

#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

// Enough parents that are no seeds; with fewer, the scheduler is asked for more now and then.
constexpr int kEnoughParents = 5;
// Without a piece that comes for so long, others may know more than all parents together. On a slow
// link one piece takes seconds, and each parent costs two streams.
constexpr auto kStalled = std::chrono::seconds(10);
constexpr int kMostParents = 12;
constexpr auto kFirstRefresh = std::chrono::milliseconds(200);
constexpr auto kLongestRefresh = std::chrono::seconds(10);
constexpr char kNotAllFromParents[] = "not all pieces are downloaded from parent";

absl::Status SourceForbidden() {
  return absl::UnavailableError(
      "download failed: no peer has the content, and back to source is "
      "disabled");
}

}  // namespace

bool IsLocalError(const absl::Status& status) {
  return absl::IsResourceExhausted(status) || absl::IsInternal(status) || absl::IsAborted(status) ||
         absl::IsFailedPrecondition(status);
}

Round::Round(TaskEnv& env, Plan plan, Notifier changed, std::function<void(PieceNumber)> here,
             std::function<void(PieceNumber)> lost)
    : env_(env),
      plan_(std::move(plan)),
      changed_(std::move(changed)),
      here_(std::move(here)),
      lost_(std::move(lost)),
      events_(*plan_.stored, changed_, TaskEvents::Kinds{.released = true}),
      picker_(plan_.layout.piece_count()),
      group_(env.with.io),
      links_(ParentLinks::Context{env, changed_, group_, picker_, plan_.layout,
                                  plan_.stored->spec().kind, plan_.peer, plan_.avoid, plan_.log}),
      session_(std::make_shared<SchedulerSession>(env, changed_)),
      last_progress_(env.with.clock.Now()),
      refresh_interval_(kFirstRefresh) {
  // After the subscription, so that nothing falls between.
  for (PieceNumber number = 0; number < picker_.piece_count(); ++number) {
    if (plan_.stored->HasPiece(number)) picker_.Finish(number);
  }
  const ActualSizes sizes{plan_.layout.piece_length(), plan_.layout.content_length(),
                          plan_.layout.piece_count(), env_.options.concurrent_piece_count};
  session_->Start(plan_.peer, plan_.request, sizes);
}

void Round::Want(PieceLayout::Run run) {
  std::vector<PieceNumber> further;
  for (PieceNumber number = run.first; number < run.first + run.count; ++number) {
    if (!picker_.wanted(number) && !picker_.here(number)) further.push_back(number);
  }
  picker_.Want(run.first, run.count);
  links_.AskFor(further);
}

void Round::AllowSource(const SourceRequest& source) {
  if (plan_.source_allowed) return;
  plan_.source_allowed = true;
  plan_.source = source;
}

void Round::Here(PieceNumber number) {
  if (picker_.here(number)) return;
  picker_.Finish(number);
  foreign_.erase(number);
  fruitless_answers_ = 0;
  here_(number);
}

void Round::TakeEvents() {
  for (const TaskEvent& event : events_.Take()) {
    switch (event.kind) {
      case TaskEvent::Kind::kPieceFinished:
        // One that was read along with the whole source is reported here; others by their job.
        if (!picker_.here(event.piece) && !jobs_.contains(event.piece)) {
          if (source_ == SourceState::kWhole) {
            if (auto piece = plan_.stored->Piece(event.piece)) {
              env_.with.metrics.PieceDownloaded(TrafficType::kBackToSource,
                                                plan_.stored->spec().kind, piece->length);
              session_->Report(PieceFromSource{*std::move(piece)});
            }
          }
          Here(event.piece);
        }
        break;
      case TaskEvent::Kind::kPieceReleased:
        if (foreign_.erase(event.piece) > 0) picker_.Fail(event.piece);
        if (picker_.here(event.piece) && !plan_.stored->HasPiece(event.piece)) {
          picker_.Lose(event.piece);
          lost_(event.piece);
        }
        break;
      case TaskEvent::Kind::kTaskRemoved:
        End(absl::AbortedError("task was removed while it was downloaded"));
        break;
      case TaskEvent::Kind::kPieceComing:
      case TaskEvent::Kind::kTaskFinished:
      case TaskEvent::Kind::kTaskFailed:
        break;
    }
  }
}

void Round::TakeDecisions(SteadyTime now) {
  while (auto decision = session_->Take()) {
    std::visit([&](const auto& answer) { OnDecision(answer, now); }, *decision);
  }
}

void Round::OnDecision(const DownloadFromParents& decision, SteadyTime now) {
  // Again at every such answer, as the scheduler expects.
  session_->Report(PeerStarted{});
  started_told_ = true;
  const std::size_t added = links_.Add(decision.candidates);
  if (!std::exchange(refreshing_, false)) ++fruitless_answers_;
  // As long as asking helps, it goes on at the same pace.
  if (added == 0) {
    refresh_interval_ = std::min<Duration>(refresh_interval_ * 2, kLongestRefresh);
  }
  next_refresh_ = now + refresh_interval_;
}

void Round::OnDecision(const DownloadFromSource& decision, SteadyTime now) {
  (void)now;
  refreshing_ = false;
  source_granted_ = true;
  grant_text_ = decision.description;
}

// The scheduler takes the content for empty, or thinks it is here. It is told the truth by the
// report at the end, and does not help until then.
void Round::OnDecision(const EmptyTask& decision, SteadyTime now) {
  (void)decision;
  OnDecision(DownloadFromParents{}, now);
}
void Round::OnDecision(const MetadataOnly& decision, SteadyTime now) {
  (void)decision;
  OnDecision(DownloadFromParents{}, now);
}

RoundView Round::View(SteadyTime now) const {
  RoundView view;
  view.all_here = picker_.missing() == 0;
  view.moving = picker_.in_flight() > 0 || picker_.AnyOffered(links_.Available());
  view.parents_open = links_.open();
  view.reading_source = source_ != SourceState::kOff;
  view.source_allowed = plan_.source_allowed;
  view.source_granted = source_granted_;
  const bool stalled = picker_.missing() > 0 && now - last_progress_ >= kStalled;
  // The one who is gone may have been the only one with what is missing.
  const bool left_alone = retirements_ > 0 && !view.moving;
  const bool few = links_.peers() < (stalled ? kMostParents : kEnoughParents);
  view.more_parents_wanted = now >= next_refresh_ && (few || left_alone) &&
                             picker_.missing() > static_cast<PieceNumber>(coming());
  view.scheduler = scheduler_given_up_ ? RoundView::Scheduler::kGone : session_->state();
  view.fruitless_answers = fruitless_answers_;
  view.max_fruitless_answers = env_.options.max_schedule_count;
  return view;
}

void Round::Step(SteadyTime now) {
  if (ended()) return;
  TakeEvents();
  TakeDecisions(now);
  links_.UpdateLoads();
  WatchTransfers(now);
  NoticeRetirements(now);
  Pump(now);
  if (!ended()) Take(DecideNextStep(View(now)), now);
  next_tick_ = SteadyTime::max();
  if (ended()) return;
  next_tick_ = NextTick(now);
  if (session_->state() == RoundView::Scheduler::kIdle) {
    if (next_refresh_ > now) next_tick_ = std::min(next_tick_, next_refresh_);
    // Enough parents that all wait too bring nothing that would wake this download.
    const SteadyTime stalls = last_progress_ + kStalled;
    if (stalls > now) next_tick_ = std::min(next_tick_, stalls);
  }
}

void Round::NoticeRetirements(SteadyTime now) {
  if (std::exchange(retirements_, links_.retirements()) == links_.retirements()) return;
  refresh_interval_ = kFirstRefresh;
  if (!refreshing_) next_refresh_ = std::min(next_refresh_, now);
}

void Round::Take(NextStep step, SteadyTime now) {
  switch (step) {
    case NextStep::kWait:
      return;
    case NextStep::kFinish:
      End(absl::OkStatus());
      return;
    case NextStep::kAskForMoreParents:
      refreshing_ = true;
      next_refresh_ = SteadyTime::max();  // Set anew by the answer.
      session_->Reschedule(links_.TakeRetired(), "more parents are wanted");
      return;
    case NextStep::kReschedule:
      plan_.log.Info("asking the scheduler for other parents",
                     {{"missing_pieces", picker_.missing()}});
      session_->Reschedule(links_.TakeUsed(), kNotAllFromParents);
      return;
    case NextStep::kGiveUpOnScheduler:
      plan_.log.Warn("max schedule count exceeded", {{"missing_pieces", picker_.missing()}});
      session_->Report(PeerFailed{"max schedule count exceeded"});
      session_->Close();
      scheduler_given_up_ = true;
      changed_.Notify();
      return;
    case NextStep::kReadSource:
      ReadSource();
      Pump(now);
      return;
    case NextStep::kFail:
      End(SourceForbidden());
      return;
  }
}

void Round::End(absl::Status result) {
  if (result_) return;
  result_ = std::move(result);
  changed_.Notify();
}

Awaitable<> Round::Stop() {
  for (auto& [number, job] : jobs_) {
    for (const auto& ask : job->asks) Stop(*ask);
  }
  co_await group_.Stop();
  // Cancelled before they could say how they ended.
  for (auto& [number, job] : jobs_) {
    if (job->sender != nullptr) env_.downlink.Ended(env_.with.clock.Now());
    (void)job->piece->Close();
  }
  jobs_.clear();
}

void Round::Conclude(const absl::Status& status) {
  if (scheduler_given_up_) return;
  if (status.ok()) {
    if (source_told_) {
      session_->Report(PeerBackToSourceFinished{});
    } else if (started_told_) {
      session_->Report(PeerFinished{});
    }
  } else if (source_told_) {
    SourceErrorInfo info;
    if (auto source = GetSourceError(status)) {
      info = *std::move(source);
    } else {
      info.message = std::string(status.message());
    }
    if (source_failed_) session_->Report(PieceFromSourceFailed{std::move(info)});
    session_->Report(PeerBackToSourceFailed{std::string(status.message())});
  } else {
    session_->Report(PeerFailed{std::string(status.message())});
  }
  session_->Close();
}

}  // namespace dragonfly::dfdaemon
