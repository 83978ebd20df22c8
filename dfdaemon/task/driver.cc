#include "dfdaemon/task/driver.h"

#include <algorithm>
#include <utility>

#include "common/base/strings.h"
#include "common/ids/ids.h"
#include "dfdaemon/task/download_plan.h"
#include "dfdaemon/task/task_policy.h"

namespace dragonfly::dfdaemon {

Driver::Driver(TaskEnv& env, Start start)
    : env_(env),
      start_(std::move(start)),
      log_(env.options.log.With(
          {{"task_id", start_.peer.task_id}, {"peer_id", start_.peer.peer_id}})),
      pin_(start_.stored->Pin()),
      changed_(env.with.io) {
  start_.stored->ClearFailed();
}

void Driver::Join(std::shared_ptr<Caller> caller) {
  if (round_ != nullptr && !round_->ended() && FitsRound(*caller)) EnterRound(*caller);
  callers_.push_back(std::move(caller));
  changed_.Notify();
}

// A peer that registered for a range is not known to get the whole; the next round registers anew.
bool Driver::FitsRound(const Caller& caller) const {
  return !caller.whole() || !round_->plan().request.range.has_value();
}

void Driver::EnterRound(Caller& caller) {
  round_->Want(caller.wish().run);
  if (!caller.wish().request.is_prefetch) round_->EndPrefetchOnly();
  if (PolicyOf(start_.stored->spec().kind).has_source &&
      !caller.wish().request.disable_back_to_source) {
    round_->AllowSource(caller.wish().source);
  }
}

void Driver::Leave(const std::shared_ptr<Caller>& caller) {
  if (caller->end()) return;
  // A scheduler that is gone must not stop the seed peer that others download from.
  if (caller->wish().request.need_back_to_source) {
    caller->Detach();
    return;
  }
  std::erase(callers_, caller);
  if (callers_.empty()) {
    Cancel(absl::CancelledError("every caller left"));
    return;
  }
  if (round_ != nullptr && !round_->ended()) {
    round_->WantNothing();
    for (const auto& other : callers_) {
      if (FitsRound(*other)) EnterRound(*other);
    }
    changed_.Notify();
  }
}

void Driver::Cancel(absl::Status status) {
  if (!cancelled_) cancelled_ = std::move(status);
  changed_.Notify();
}

Awaitable<> Driver::Run() {
  while (true) {
    const auto version = changed_.version();
    if (cancelled_) break;
    if (round_ == nullptr) {
      if (callers_.empty()) break;
      const bool missing = std::any_of(callers_.begin(), callers_.end(),
                                       [](const auto& caller) { return caller->missing() > 0; });
      if (!missing) {
        co_await FinishWithoutRound();
        continue;
      }
      BeginRound();
    }
    round_->Step(env_.with.clock.Now());
    if (round_->ended()) {
      co_await EndRound();
      continue;
    }
    const SteadyTime next = round_->next_step();
    const SteadyTime until = next == SteadyTime::max()
                                 ? next
                                 : std::chrono::steady_clock::now() + (next - env_.with.clock.Now());
    (void)co_await changed_.WaitPast(version, until);
  }
  // From here on nobody joins: the manager takes the driver out before anything else runs.
  ended_ = true;
  if (round_ != nullptr) {
    co_await round_->Stop();
    round_->Conclude(cancelled_.value_or(absl::OkStatus()));
    round_.reset();
    // Children that wait for offers hear that there will be none.
    if (!start_.stored->complete()) start_.stored->MarkFailed();
    log_.Info("download task stopped", {{"error", *cancelled_}});
  }
  if (cancelled_) EndAll(*cancelled_);
}

void Driver::BeginRound() {
  // The one whose wishes the scheduler hears: a caller of the whole, if there is one.
  const auto whole = std::find_if(callers_.begin(), callers_.end(),
                                  [](const auto& caller) { return caller->whole(); });
  const Caller::Wish& wish = (whole != callers_.end() ? *whole : callers_.front())->wish();
  Round::Plan plan;
  plan.peer = start_.peer;
  if (!std::exchange(first_round_, false)) {
    plan.peer.peer_id = MakePeerId(env_.options.ip, env_.options.hostname, env_.options.is_seed,
                                   env_.random);
  }
  plan.request = ForScheduler(wish.request, wish.range);
  plan.stored = start_.stored;
  plan.layout = start_.layout;
  plan.source = wish.source;
  plan.source_has_ranges = start_.source_has_ranges;
  plan.avoid = avoid_;
  plan.log = log_;
  plan.prefetch_only = std::all_of(callers_.begin(), callers_.end(), [](const auto& caller) {
    return caller->wish().request.is_prefetch;
  });
  round_ = std::make_unique<Round>(
      env_, std::move(plan), changed_, [this](PieceNumber number) { OnHere(number); },
      [this](PieceNumber number) { OnLost(number); });
  fetched_ = true;
  const bool has_source = PolicyOf(start_.stored->spec().kind).has_source;
  for (const auto& caller : callers_) {
    const PieceLayout::Run run = caller->wish().run;
    // What came since the caller looked, or since the last round.
    for (PieceNumber number = run.first; number < run.first + run.count; ++number) {
      if (caller->Needs(number) && start_.stored->HasPiece(number)) caller->Arrived(number);
    }
    round_->Want(run);
    if (has_source && !caller->wish().request.disable_back_to_source) {
      round_->AllowSource(caller->wish().source);
    }
  }
  if (const auto algorithms = WantedAlgorithms(); !algorithms.empty() && whole != callers_.end()) {
    hasher_ = std::make_unique<ContentHasher>(start_.stored, env_.with.disk, algorithms);
    round_->group().Spawn(hasher_->Follow(changed_));
  }
}

void Driver::OnHere(PieceNumber number) {
  // Callers of a range are served as soon as their pieces are there.
  const Callers callers = callers_;
  for (const auto& caller : callers) {
    caller->Arrived(number);
    if (!caller->whole() && caller->missing() == 0 && !start_.stored->complete()) {
      EndCaller(caller, absl::OkStatus());
    }
  }
}

void Driver::OnLost(PieceNumber number) {
  if (hasher_ != nullptr) hasher_->Forget();
  for (const auto& caller : callers_) caller->Lost(number);
}

Awaitable<> Driver::EndRound() {
  co_await round_->Stop();
  const absl::Status result = round_->result();
  if (!result.ok()) {
    round_->Conclude(result);
    RoundFailed(result);
    round_.reset();
    hasher_.reset();
    co_return;
  }
  const auto good = co_await Judge();
  if (good.ok() && *good) {
    // Finished for the storage first: who the scheduler sends here finds a finished task.
    Succeed();
    round_->Conclude(absl::OkStatus());
  } else {
    const absl::Status bad =
        good.ok() ? absl::DataLossError("the content has another digest") : good.status();
    round_->Conclude(bad);
    if (!good.ok()) {
      start_.stored->MarkFailed();
      EndAll(bad);
    }
  }
  round_.reset();
  hasher_.reset();
}

Awaitable<> Driver::FinishWithoutRound() {
  const auto good = co_await Judge();
  if (!good.ok()) {
    start_.stored->MarkFailed();
    EndAll(good.status());
  } else if (*good) {
    Succeed();
  }
}

// Whose wishes led to the failure hear of it; others have another try.
void Driver::RoundFailed(const absl::Status& status) {
  const Round::Plan& plan = round_->plan();
  const std::string source_key = SourceKey(plan.source);
  const Callers callers = callers_;
  for (const auto& caller : callers) {
    const Caller::Wish& wish = caller->wish();
    const bool may_read_elsewhere = round_->source_failed() &&
                                    !wish.request.disable_back_to_source &&
                                    wish.source_key != source_key;
    const bool came_too_late = !plan.source_allowed && !wish.request.disable_back_to_source;
    if (may_read_elsewhere || came_too_late) continue;
    EndCaller(caller, status);
  }
  if (callers_.empty()) start_.stored->MarkFailed();
}

void Driver::Succeed() {
  start_.stored->MarkFinished();
  const Callers callers = callers_;
  for (const auto& caller : callers) {
    if (caller->missing() == 0) EndCaller(caller, absl::OkStatus());
  }
}

void Driver::EndCaller(const std::shared_ptr<Caller>& caller, const absl::Status& status) {
  std::erase(callers_, caller);
  caller->End(status);
}

void Driver::EndAll(const absl::Status& status) {
  const Callers callers = std::exchange(callers_, {});
  for (const auto& caller : callers) caller->End(status);
}

}  // namespace dragonfly::dfdaemon
