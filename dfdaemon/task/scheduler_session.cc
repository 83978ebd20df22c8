#include "dfdaemon/task/scheduler_session.h"

#include <utility>

#include "common/async/with_timeout.h"
#include "dfdaemon/task/stoppable.h"

namespace dragonfly::dfdaemon {
namespace {

using Answer = absl::StatusOr<std::optional<ScheduleDecision>>;

// How long the scheduler may take to end a conversation after the last report.
constexpr auto kCloseTime = std::chrono::seconds(5);
// How long telling of local content may take altogether.
constexpr auto kAnnounceTime = std::chrono::seconds(30);

Awaitable<absl::Status> TellLocalContent(TaskEnv& env, PeerIdentity peer, DownloadRequest request,
                                         std::shared_ptr<StoredTask> stored) {
  const ActualSizes sizes{stored->spec().piece_length, stored->spec().content_length,
                          stored->piece_count(), env.options.concurrent_piece_count};
  // Older schedulers do not know of it and answer as to any other peer.
  request.metadata_only = true;
  auto conversation = co_await env.with.scheduler.AnnouncePeer(peer, std::move(request), sizes);
  if (!conversation.ok()) co_return conversation.status();
  auto decision = co_await (*conversation)->Next();
  if (!decision.ok()) co_return decision.status();
  if (!decision->has_value()) co_return absl::OkStatus();
  if (const auto* source = std::get_if<DownloadFromSource>(&**decision)) {
    (*conversation)->Report(PeerBackToSourceStarted{source->description});
    for (PieceNumber number = 0; number < stored->piece_count(); ++number) {
      auto piece = stored->Piece(number);
      if (!piece) continue;
      piece->traffic_type = TrafficType::kBackToSource;
      piece->parent_id = PeerId();
      (*conversation)->Report(PieceFromSource{*std::move(piece)});
    }
    (*conversation)->Report(PeerBackToSourceFinished{});
  } else {
    (*conversation)->Report(PeerStarted{});
    (*conversation)->Report(PeerFinished{});
  }
  auto end = co_await (*conversation)->Next();
  co_return end.status();
}

Awaitable<> TellLocalContentInTime(TaskEnv& env, PeerIdentity peer, DownloadRequest request,
                                   std::shared_ptr<StoredTask> stored) {
  const Logger log = env.options.log.With({{"task_id", peer.task_id}, {"peer_id", peer.peer_id}});
  auto pin = stored->Pin();
  const absl::Status told = co_await WithTimeout(
      TellLocalContent(env, std::move(peer), std::move(request), std::move(stored)), kAnnounceTime,
      "announce local content");
  if (!told.ok()) log.Debug("scheduler was not told of local content", {{"error", told}});
}

}  // namespace

SchedulerSession::SchedulerSession(TaskEnv& env, Notifier changed)
    : env_(env),
      changed_(std::move(changed)),
      stop_(env.with.io, asio::steady_timer::time_point::max()),
      closing_(env.with.io) {}

void SchedulerSession::Start(PeerIdentity peer, DownloadRequest request, ActualSizes sizes) {
  env_.background.Spawn(Run(shared_from_this(), std::move(peer), std::move(request), sizes));
}

Awaitable<> SchedulerSession::Run(std::shared_ptr<SchedulerSession> self, PeerIdentity peer,
                                  DownloadRequest request, ActualSizes sizes) {
  using Opened = absl::StatusOr<std::unique_ptr<PeerConversation>>;
  Opened opened = co_await UntilStopped(
      self->env_.with.scheduler.AnnouncePeer(std::move(peer), std::move(request), sizes),
      self->stop_);
  if (!opened.ok()) {
    self->Gone(opened.status());
    co_return;
  }
  // Closed before there was anything to wait for.
  if (self->closed_) co_return;
  self->conversation_ = *std::move(opened);
  while (true) {
    Answer answer = co_await UntilStopped(
        WithTimeout(self->conversation_->Next(), self->env_.options.schedule_timeout,
                    "wait for the scheduler"),
        self->stop_);
    if (!answer.ok() || !answer->has_value()) {
      self->Gone(answer.status());
      // Sends what is queued, for a moment, and ends the call.
      self->conversation_.reset();
      co_return;
    }
    if (self->closed_) continue;
    self->decisions_.push_back(**std::move(answer));
    self->state_ = RoundView::Scheduler::kIdle;
    self->changed_.Notify();
  }
}

void SchedulerSession::Gone(absl::Status error) {
  state_ = RoundView::Scheduler::kGone;
  error_ = std::move(error);
  closing_.cancel();
  changed_.Notify();
}

std::optional<ScheduleDecision> SchedulerSession::Take() {
  if (decisions_.empty()) return std::nullopt;
  std::optional<ScheduleDecision> first(std::move(decisions_.front()));
  decisions_.pop_front();
  return first;
}

void SchedulerSession::Report(PeerReport report) {
  if (conversation_ != nullptr) conversation_->Report(std::move(report));
}

void SchedulerSession::Reschedule(std::vector<CandidateParent> used, std::string description) {
  if (state_ != RoundView::Scheduler::kIdle) return;
  Report(PeerReschedule{std::move(used), std::move(description)});
  state_ = RoundView::Scheduler::kAsked;
}

void SchedulerSession::Close() {
  if (std::exchange(closed_, true)) return;
  if (state_ == RoundView::Scheduler::kGone) return;
  if (conversation_ == nullptr) {
    StopNow(stop_);  // Still registering: there is nothing to wait for.
    return;
  }
  closing_.expires_after(kCloseTime);
  closing_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr) StopNow(self->stop_);
  });
}

void AnnounceLocalContent(TaskEnv& env, PeerIdentity peer, DownloadRequest request,
                          std::shared_ptr<StoredTask> stored) {
  env.background.Spawn(
      TellLocalContentInTime(env, std::move(peer), std::move(request), std::move(stored)));
}

}  // namespace dragonfly::dfdaemon
