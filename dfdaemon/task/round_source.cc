// The part of Round that reads the source.

#include <utility>

#include "common/async/run_on.h"
#include "common/base/strings.h"
#include "dfdaemon/task/round.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr int kWholeReadsAllowed = 3;

}  // namespace

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
  // Pieces come as events of the storage; when the last wanted one is there, the round ends and
  // with it this.
  absl::Status status = co_await RunOn(
      with.data.Next(),
      GetAllFromSource(with.source, with.clock, self.plan_.source, self.plan_.stored));
  if (self.ended()) co_return;
  if (!status.ok()) {
    self.source_failed_ = !IsLocalError(status) || GetSourceError(status).has_value();
    self.End(std::move(status));
    co_return;
  }
  self.TakeEvents();
  // What parents were sending at that time may be missing still; a source that leaves pieces out
  // again and again is none.
  if (++self.whole_reads_ >= kWholeReadsAllowed && self.picker_.missing() > 0 &&
      self.picker_.in_flight() == 0) {
    self.End(absl::DataLossError("the source was read to its end, and pieces are missing"));
    co_return;
  }
  self.source_ = SourceState::kOff;
  self.changed_.Notify();
}

}  // namespace dragonfly::dfdaemon
