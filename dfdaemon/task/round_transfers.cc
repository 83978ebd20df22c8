// The part of Round that moves pieces.

#include <algorithm>
#include <utility>

#include "common/async/run_on.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "dfdaemon/task/round.h"
#include "dfdaemon/task/stoppable.h"

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A transfer without a byte for so long is given up though nobody else has the piece.
constexpr auto kSilenceAllowed = seconds(30);
// The same where somebody else has it.
constexpr auto kSilenceWithOthers = seconds(4);
// Parents tell their load every second or so; one that does not answer, and does not tell this
// either, is taken for dead.
constexpr auto kLoadIsFresh = seconds(5);
// A parent whose uplink is free answers sooner than this.
constexpr auto kPromptly = milliseconds(20);
// Where parents are busy, their answers are what is waited for; the link is looked at now and then.
constexpr auto kAgain = milliseconds(100);
// A piece of which so much is here does not keep others from being asked for, so that there is no
// gap.
constexpr double kNearlyDone = 0.75;
// Before that a transfer tells little about its speed.
constexpr auto kMeasured = milliseconds(50);
// As long as nothing changes, the transfers are looked at so often.
constexpr auto kWatchEvery = milliseconds(500);

std::int64_t Milliseconds(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

}  // namespace

int Round::waiting() const {
  return static_cast<int>(std::count_if(jobs_.begin(), jobs_.end(),
                                        [&](const auto& entry) { return Waits(*entry.second); }));
}

int Round::coming() const {
  return static_cast<int>(std::count_if(jobs_.begin(), jobs_.end(),
                                        [&](const auto& entry) { return !Waits(*entry.second); }));
}

int Round::nearly_done() const {
  int count = 0;
  for (const auto& [number, job] : jobs_) {
    if (Waits(*job)) continue;
    const auto received = static_cast<double>(job->piece->received());
    if (received >= static_cast<double>(job->piece->length()) * kNearlyDone) ++count;
  }
  return count;
}

// `more` pieces are on their way that have not begun to come.
bool Round::MayReceive(SteadyTime now, int more) const {
  const int nearly = nearly_done();
  const int own = coming() - nearly + more;
  if (own <= 0) return true;
  if (own >= static_cast<int>(env_.options.concurrent_piece_count)) return false;
  return env_.downlink.MayBegin(now, plan_.layout.At(0).length, more - nearly);
}

void Round::Pump(SteadyTime now) {
  NoticeBegun(now);
  if (contended_ && waiting() > 0 && !MayReceive(now, 0)) {
    StopWaiting();
    return;
  }
  while (!ended() && MayReceive(now, waiting())) {
    if (!AskOne(now)) break;
  }
  if (!ended()) AskEverybody(now);
}

bool Round::AskOne(SteadyTime now) {
  // Where parents are busy, none is asked again before it has answered.
  ParentMask available = links_.Available();
  if (contended_) available = available - asked_;
  if (const auto number = picker_.PickRarest(available, env_.random)) {
    const auto parent = links_.Choose(picker_.offers(*number) & available);
    if (!parent) return false;
    if (const auto job = StartJob(*number)) AskFor(job, parent, now);
    return true;
  }
  if (source_ != SourceState::kRanges) return false;
  const auto number = picker_.PickUnoffered(links_.alive());
  if (!number) return false;
  if (const auto job = StartJob(*number)) AskFor(job, std::nullopt, now);
  return true;
}

// A parent sends one piece after the other. Whoever waits at several has the first that is free;
// what it gets is decided only then, so that no uplink waits for a piece that is still on its way
// to it.
void Round::AskEverybody(SteadyTime now) {
  if (plan_.prefetch_only && env_.options.acquire_prefetch) return;  // Each ask would be counted.
  std::vector<PieceNumber> waits;
  bool late = false;
  for (const auto& [number, job] : jobs_) {
    if (!Waits(*job)) continue;
    waits.push_back(number);
    for (const auto& ask : job->asks) {
      late =
          late || (ask->parent && !ask->stopping && (contended_ || now - ask->since >= kPromptly));
    }
  }
  if (!late) return;
  contended_ = true;
  const ParentMask available = links_.Available();
  (available - asked_).ForEach([&](ParentSlot slot) {
    if (ended()) return;
    const auto number = picker_.PickRarestOf(slot, available, waits, env_.random);
    if (!number) return;
    const auto known = jobs_.find(*number);
    const bool fresh = known == jobs_.end();
    const auto job = fresh ? StartJob(*number) : known->second;
    if (job == nullptr) return;
    AskFor(job, slot, now);
    if (fresh) waits.push_back(*number);
  });
}

void Round::StopWaiting() {
  for (const auto& [number, job] : jobs_) {
    if (!Waits(*job)) continue;
    for (const auto& ask : job->asks) Stop(*ask);
  }
}

std::shared_ptr<Round::Job> Round::StartJob(PieceNumber number) {
  auto claim = plan_.stored->ClaimPiece(number);
  if (!claim.ok()) {
    End(claim.status());
    return nullptr;
  }
  picker_.Start(number);
  switch (claim->result) {
    case StoredTask::ClaimResult::kFinished:
      Here(number);
      return nullptr;
    case StoredTask::ClaimResult::kInProgress:
      foreign_.insert(number);
      return nullptr;
    case StoredTask::ClaimResult::kClaimed:
      break;
  }
  auto job = std::make_shared<Job>();
  job->number = number;
  job->piece = std::make_shared<ClaimedPiece>(
      std::move(claim->writer), env_.downlink, env_.with.clock,
      [changed = changed_]() mutable { changed.NotifyFromAnyThread(); },
      !broke_off_.contains(number));
  jobs_[number] = job;
  return job;
}

void Round::AskFor(const std::shared_ptr<Job>& job, std::optional<ParentSlot> parent,
                   SteadyTime now) {
  auto ask = std::make_shared<Ask>();
  ask->id = ++last_ask_;
  ask->parent = parent;
  ask->since = now;
  ask->stop =
      std::make_unique<asio::steady_timer>(env_.with.io, asio::steady_timer::time_point::max());
  job->asks.push_back(ask);
  if (parent) {
    links_.Started(*parent);
    asked_.Add(*parent);
    ++asks_at_[*parent];
  }
  group_.Spawn(RunAsk(*this, job, ask));
}

Awaitable<absl::StatusOr<GotPiece>> Round::OnDataThread(Round& self, std::shared_ptr<Job> job,
                                                        std::shared_ptr<Ask> ask) {
  if (self.plan_.prefetch_only && self.env_.options.acquire_prefetch) {
    co_await self.env_.options.acquire_prefetch(job->piece->length());
  }
  const auto& with = self.env_.with;
  if (ask->parent) {
    co_return co_await RunOn(
        with.data.Next(),
        GetFromParent(with.fetcher, with.clock, self.links_.address(*ask->parent),
                      self.links_.candidate(*ask->parent).peer_id, self.plan_.stored->spec().kind,
                      self.plan_.stored->spec().id, job->piece, ask->id));
  }
  co_return co_await RunOn(with.data.Next(),
                           GetFromSource(with.source, with.clock, self.plan_.source,
                                         self.plan_.layout.content_length(), job->piece, ask->id));
}

Awaitable<> Round::RunAsk(Round& self, std::shared_ptr<Job> job, std::shared_ptr<Ask> ask) {
  auto got = co_await UntilStopped(OnDataThread(self, job, ask), *ask->stop);
  self.AskEnded(job, ask, std::move(got));
  self.changed_.Notify();
}

void Round::NoticeBegun(SteadyTime now) {
  for (const auto& [number, job] : jobs_) {
    if (Waits(*job)) Begun(*job, now);
  }
}

void Round::Begun(Job& job, SteadyTime now) {
  const auto taken = job.piece->taken();
  if (!taken) return;
  const auto sender = std::find_if(job.asks.begin(), job.asks.end(),
                                   [&](const auto& ask) { return ask->id == taken->ask; });
  if (sender == job.asks.end()) return;
  job.sender = *sender;
  job.began = taken->at;
  job.seen_change = last_progress_ = now;
  env_.downlink.Began(now);
  if (job.sender->parent) {
    contended_ = taken->at - job.sender->since >= kPromptly;
    Answered(*job.sender->parent);
  }
  for (const auto& ask : job.asks) {
    if (ask != job.sender) Stop(*ask);
  }
}

void Round::Answered(ParentSlot parent) {
  if (--asks_at_[parent] == 0) asked_.Remove(parent);
}

void Round::Forget(Job& job) {
  if (job.sender != nullptr) env_.downlink.Ended(env_.with.clock.Now());
  jobs_.erase(job.number);
}

void Round::AskEnded(const std::shared_ptr<Job>& job, const std::shared_ptr<Ask>& ask,
                     absl::StatusOr<GotPiece> got) {
  const SteadyTime now = env_.with.clock.Now();
  if (Waits(*job)) Begun(*job, now);
  std::erase(job->asks, ask);
  const bool was_sender = job->sender == ask;
  if (ask->parent && !was_sender) Answered(*ask->parent);
  const auto known = jobs_.find(job->number);
  const bool current = known != jobs_.end() && known->second == job;
  // The piece comes from elsewhere, or from nobody when this was the last one that was asked.
  const bool over = was_sender || (job->asks.empty() && job->piece->Close());
  if (current && over) Forget(*job);
  if (got.ok()) {
    Arrived(*ask, *std::move(got));
    return;
  }
  if (current && over) {
    picker_.Fail(job->number);
    if (was_sender && job->piece->received() > 0) broke_off_.insert(job->number);
    // Stopped a moment too late.
    if (plan_.stored->HasPiece(job->number)) Here(job->number);
  }
  if (ended() || ask->stopping || absl::IsCancelled(got.status())) {
    if (ask->parent) links_.Stopped(*ask->parent);
  } else if (ask->parent) {
    ParentFailed(*ask, job->number, got.status());
  } else {
    SourceJobFailed(got.status());
  }
}

void Round::Arrived(const Ask& ask, GotPiece got) {
  PieceRecord& record = got.record;
  const PieceNumber number = record.number;
  plan_.log.Debug("piece came",
                  {{"piece", number},
                   {"parent_id", record.parent_id},
                   {"waited_ms", Milliseconds(env_.with.clock.Now() - ask.since - record.cost)},
                   {"took_ms", Milliseconds(record.cost)}});
  last_progress_ = env_.with.clock.Now();
  env_.with.metrics.PieceDownloaded(record.traffic_type, plan_.stored->spec().kind, record.length);
  if (ask.parent) {
    if (!got.verified) plan_.log.Debug("piece came without a checksum", {{"piece", number}});
    links_.Received(*ask.parent, record.length, record.cost);
    session_->Report(PieceFromParent{std::move(record)});
  } else {
    session_->Report(PieceFromSource{std::move(record)});
  }
  Here(number);
}

void Round::ParentFailed(const Ask& ask, PieceNumber number, const absl::Status& status) {
  const PeerId& peer_id = links_.candidate(*ask.parent).peer_id;
  plan_.log.Debug("piece from parent failed",
                  {{"piece", number}, {"parent_id", peer_id}, {"error", status}});
  if (IsLocalError(status)) {
    links_.Stopped(*ask.parent);
    End(status);
    return;
  }
  // The scheduler would keep a parent that is merely behind from this peer for good.
  if (!absl::IsNotFound(status)) session_->Report(PieceFromParentFailed{number, peer_id});
  links_.Failed(*ask.parent, number, status);
}

void Round::SourceJobFailed(const absl::Status& status) {
  source_failed_ = !IsLocalError(status) || GetSourceError(status).has_value();
  End(status);
}

void Round::Stop(Ask& ask) {
  ask.stopping = true;
  StopNow(*ask.stop);
}

void Round::WatchTransfers(SteadyTime now) {
  const bool tail =
      jobs_.size() < env_.options.concurrent_piece_count && !picker_.AnyOffered(links_.Available());
  for (auto& [number, job] : jobs_) {
    if (Waits(*job)) {
      for (const auto& ask : job->asks) WatchAsk(*job, *ask, now);
    } else {
      WatchTransfer(*job, tail, now);
    }
  }
}

// Waiting for a busy parent is no fault of it.
void Round::WatchAsk(const Job& job, Ask& ask, SteadyTime now) {
  if (!ask.parent || ask.stopping) return;
  const auto heard = links_.Heard(*ask.parent);
  if (heard && now - *heard < kLoadIsFresh) return;
  ParentMask others = picker_.offers(job.number) & links_.Available();
  others.Remove(*ask.parent);
  if (now - ask.since < (others.empty() ? kSilenceAllowed : kSilenceWithOthers)) return;
  plan_.log.Debug("parent does not answer",
                  {{"piece", job.number}, {"parent_id", links_.candidate(*ask.parent).peer_id}});
  picker_.Withdraw(job.number, *ask.parent);
  links_.Silent(*ask.parent);
  Stop(ask);
}

void Round::WatchTransfer(Job& job, bool tail, SteadyTime now) {
  const std::uint64_t bytes = job.piece->received();
  if (bytes != job.seen_bytes) {
    job.seen_bytes = bytes;
    job.seen_change = now;
  }
  if (!job.sender->parent || job.replaced) return;
  const ParentSlot parent = *job.sender->parent;
  ParentSet::Transfer transfer;
  transfer.parent = parent;
  transfer.length = job.piece->length();
  transfer.received = bytes;
  transfer.elapsed = now - job.began;
  transfer.silent = now - job.seen_change;
  const bool silent = transfer.silent >= kSilenceWithOthers;
  if (!tail && !silent) return;
  const auto other = links_.Replacement(transfer, picker_.offers(job.number));
  if (!other && transfer.silent < kSilenceAllowed) return;
  plan_.log.Debug("piece is slow, taken from elsewhere",
                  {{"piece", job.number},
                   {"parent_id", links_.candidate(parent).peer_id},
                   {"received", bytes}});
  job.replaced = true;
  picker_.Withdraw(job.number, parent);
  if (silent) links_.Silent(parent);
  Stop(*job.sender);
}

SteadyTime Round::NextTick(SteadyTime now) const {
  if (jobs_.empty()) return SteadyTime::max();
  SteadyTime next = now + kWatchEvery;
  const bool more = picker_.missing() > picker_.in_flight();
  for (const auto& [number, job] : jobs_) {
    if (Waits(*job)) {
      next = std::min(next, now + (contended_ ? kAgain : kPromptly));
    } else if (more) {
      // When it will be nearly done.
      const auto received = static_cast<double>(job->piece->received());
      const double elapsed = ToSeconds(std::max<Duration>(now - job->began, kMeasured));
      const double rest = kNearlyDone * static_cast<double>(job->piece->length()) - received;
      const double left = received > 0 ? rest * elapsed / received : 1;
      const double wait = std::clamp(left, ToSeconds(kMeasured), ToSeconds(kWatchEvery));
      next = std::min(
          next, now + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(wait)));
    }
  }
  return next;
}

}  // namespace dragonfly::dfdaemon
