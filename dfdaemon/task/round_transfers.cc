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

// A transfer without a byte for so long is given up though nobody else has the piece.
constexpr auto kSilenceAllowed = std::chrono::seconds(30);

constexpr int kWholeReadsAllowed = 3;

bool IsLocalError(const absl::Status& status) {
  // A full or broken disk, or a task that was removed: other parents would not help.
  return absl::IsResourceExhausted(status) || absl::IsInternal(status) ||
         absl::IsAborted(status) || absl::IsFailedPrecondition(status);
}

}  // namespace

void Round::Pump(SteadyTime now) {
  while (!ended() && jobs_.size() < env_.options.concurrent_piece_count) {
    const ParentMask available = links_.Available();
    if (const auto number = picker_.PickRarest(available, env_.random)) {
      const auto parent = links_.Choose(picker_.offers(*number) & available);
      if (!parent) return;
      (void)StartJob(*number, parent, now);
      continue;
    }
    if (source_ != SourceState::kRanges) return;
    const auto number = picker_.PickUnoffered(links_.alive());
    if (!number) return;
    (void)StartJob(*number, std::nullopt, now);
  }
}

bool Round::StartJob(PieceNumber number, std::optional<ParentSlot> parent, SteadyTime now) {
  auto claim = plan_.stored->ClaimPiece(number);
  if (!claim.ok()) {
    End(claim.status());
    return false;
  }
  picker_.Start(number);
  switch (claim->result) {
    case StoredTask::ClaimResult::kFinished:
      Here(number);
      return false;
    case StoredTask::ClaimResult::kInProgress:
      foreign_.insert(number);
      return false;
    case StoredTask::ClaimResult::kClaimed:
      break;
  }
  auto job = std::make_shared<Job>();
  job->number = number;
  job->parent = parent;
  job->length = claim->writer->length();
  job->started = job->seen_change = now;
  job->progress = std::make_shared<PieceProgress>();
  job->stop = std::make_unique<asio::steady_timer>(env_.with.io,
                                                   asio::steady_timer::time_point::max());
  jobs_[number] = job;
  if (parent) links_.Started(*parent);
  group_.Spawn(RunJob(*this, std::move(job), std::move(claim->writer)));
  return true;
}

Awaitable<absl::StatusOr<GotPiece>> Round::OnDataThread(Round& self, std::shared_ptr<Job> job,
                                                        std::unique_ptr<PieceWriter> writer) {
  if (self.plan_.prefetch_only && self.env_.options.acquire_prefetch) {
    co_await self.env_.options.acquire_prefetch(job->length);
  }
  const auto& with = self.env_.with;
  if (job->parent) {
    co_return co_await RunOn(
        with.data.Next(),
        GetFromParent(with.fetcher, with.clock, self.links_.address(*job->parent),
                      self.links_.candidate(*job->parent).peer_id, self.plan_.stored->spec().kind,
                      self.plan_.stored->spec().id, std::move(writer), job->progress));
  }
  co_return co_await RunOn(
      with.data.Next(),
      GetFromSource(with.source, with.clock, self.plan_.source, self.plan_.layout.content_length(),
                    std::move(writer), job->progress));
}

Awaitable<> Round::RunJob(Round& self, std::shared_ptr<Job> job,
                          std::unique_ptr<PieceWriter> writer) {
  auto got = co_await UntilStopped(OnDataThread(self, job, std::move(writer)), *job->stop);
  self.jobs_.erase(job->number);
  self.JobEnded(*job, std::move(got));
  self.changed_.Notify();
}

void Round::JobEnded(Job& job, absl::StatusOr<GotPiece> got) {
  const TaskKind kind = plan_.stored->spec().kind;
  if (!got.ok()) {
    picker_.Fail(job.number);
    // Stopped a moment too late.
    if (plan_.stored->HasPiece(job.number)) Here(job.number);
    if (ended() || absl::IsCancelled(got.status())) {
      if (job.parent) links_.Stopped(*job.parent);
    } else if (job.parent) {
      ParentJobFailed(job, got.status());
    } else {
      SourceJobFailed(got.status());
    }
    return;
  }
  PieceRecord& record = got->record;
  env_.with.metrics.PieceDownloaded(record.traffic_type, kind, record.length);
  if (job.parent) {
    const Logger& log = plan_.log;
    if (!got->verified) log.Debug("piece came without a checksum", {{"piece", record.number}});
    links_.Received(*job.parent, record.length, record.cost);
    session_->Report(PieceFromParent{std::move(record)});
  } else {
    session_->Report(PieceFromSource{std::move(record)});
  }
  Here(job.number);
}

void Round::ParentJobFailed(Job& job, const absl::Status& status) {
  plan_.log.Debug("piece from parent failed",
                  {{"piece", job.number},
                   {"parent_id", links_.candidate(*job.parent).peer_id},
                   {"error", status}});
  if (IsLocalError(status)) {
    links_.Stopped(*job.parent);
    End(status);
    return;
  }
  session_->Report(PieceFromParentFailed{job.number, links_.candidate(*job.parent).peer_id});
  links_.Failed(*job.parent, job.number, status);
}

void Round::SourceJobFailed(const absl::Status& status) {
  source_failed_ = !IsLocalError(status) || GetSourceError(status).has_value();
  End(status);
}

void Round::StopJob(Job& job) { StopNow(*job.stop); }

void Round::WatchTransfers(SteadyTime now) {
  const bool tail = jobs_.size() < env_.options.concurrent_piece_count &&
                    !picker_.AnyOffered(links_.Available());
  for (auto& [number, job] : jobs_) {
    const std::uint64_t bytes = job->progress->bytes.load(std::memory_order_relaxed);
    if (bytes != job->seen_bytes) {
      job->seen_bytes = bytes;
      job->seen_change = now;
    }
    if (!job->parent || job->replaced) continue;
    ParentSet::Transfer transfer;
    transfer.parent = *job->parent;
    transfer.length = job->length;
    transfer.received = bytes;
    transfer.elapsed = now - job->started;
    transfer.silent = now - job->seen_change;
    const bool silent = transfer.silent >= std::chrono::seconds(4);
    if (!tail && !silent) continue;
    const auto other = links_.Replacement(transfer, picker_.offers(number));
    if (!other && transfer.silent < kSilenceAllowed) continue;
    plan_.log.Debug("piece is slow, taken from elsewhere",
                    {{"piece", number},
                     {"parent_id", links_.candidate(*job->parent).peer_id},
                     {"received", bytes}});
    job->replaced = true;
    picker_.Withdraw(number, *job->parent);
    if (silent) links_.Silent(*job->parent);
    StopJob(*job);
  }
}

void Round::ReadSource() {
  if (!std::exchange(source_told_, source_granted_) && source_granted_) {
    session_->Report(PeerBackToSourceStarted{grant_text_});
  }
  if (!source_granted_ && source_ == SourceState::kOff) {
    plan_.log.Warn("no scheduler and no peer has the content, downloading from the source",
                   {{"missing_pieces", picker_.missing()}, {"error", session_->error()}});
  }
  if (!plan_.source_has_ranges) {
    source_ = SourceState::kProbing;
    group_.Spawn(ProbeSource(*this));
  } else if (*plan_.source_has_ranges) {
    source_ = SourceState::kRanges;
  } else {
    ReadWholeSource();
  }
}

// The content is known from before; whether the source has ranges, and still the same, is not.
Awaitable<> Round::ProbeSource(Round& self) {
  const auto& with = self.env_.with;
  auto stat = co_await RunOn(with.data.Next(), with.source.Stat(self.plan_.source));
  if (!stat.ok()) {
    self.source_failed_ = true;
    self.End(stat.status());
    co_return;
  }
  if (stat->content_length && *stat->content_length != self.plan_.layout.content_length()) {
    self.source_failed_ = true;
    self.End(absl::DataLossError(StrCat("the source has ", *stat->content_length,
                                        " bytes now, the task has ",
                                        self.plan_.layout.content_length())));
    co_return;
  }
  self.plan_.source_has_ranges = stat->supports_ranges;
  self.ReadSource();
  self.changed_.Notify();
}

void Round::ReadWholeSource() {
  source_ = SourceState::kWhole;
  group_.Spawn(RunWholeSource(*this));
}

Awaitable<> Round::RunWholeSource(Round& self) {
  const auto& with = self.env_.with;
  // Pieces come as events of the storage; when the last wanted one is there, the round ends and with
  // it this.
  absl::Status status = co_await RunOn(
      with.data.Next(), GetAllFromSource(with.source, with.clock, self.plan_.source,
                                         self.plan_.stored, std::make_shared<PieceProgress>()));
  if (self.ended()) co_return;
  if (!status.ok()) {
    self.source_failed_ = !IsLocalError(status) || GetSourceError(status).has_value();
    self.End(std::move(status));
    co_return;
  }
  self.TakeEvents();
  // What parents were sending at that time may be missing still; a source that leaves pieces out again
  // and again is none.
  if (++self.whole_reads_ >= kWholeReadsAllowed && self.picker_.missing() > 0 &&
      self.picker_.in_flight() == 0) {
    self.End(absl::DataLossError("the source was read to its end, and pieces are missing"));
    co_return;
  }
  self.source_ = SourceState::kOff;
  self.changed_.Notify();
}

}  // namespace dragonfly::dfdaemon
