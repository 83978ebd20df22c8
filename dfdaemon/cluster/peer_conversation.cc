#include "dfdaemon/cluster/peer_conversation.h"

#include <utility>

#include "common/async/with_timeout.h"
#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/cluster/grpc_scheduler_client.h"

namespace dragonfly::dfdaemon {
namespace {

Awaitable<absl::Status> WriteOne(ConversationStream::Stream& stream,
                                 pb::scheduler::AnnouncePeerRequest message) {
  const bool sent = co_await stream.Write(std::move(message));
  co_return sent ? absl::OkStatus() : absl::UnavailableError("stream is over");
}

// Half-closes and waits for the scheduler's end: a call that is cancelled at once may lose the last
// reports, which the scheduler has not read yet.
Awaitable<absl::Status> EndCall(ConversationStream::Stream& stream) {
  co_await stream.WritesDone();
  while (true) {
    const auto answer = co_await stream.Read();
    if (!answer.ok() || !answer->has_value()) co_return absl::OkStatus();
  }
}

}  // namespace

ConversationStream::ConversationStream(asio::any_io_executor executor, PeerIdentity peer,
                                       pb::scheduler::AnnouncePeerRequest registration)
    : executor_(executor),
      peer_(std::move(peer)),
      registration_(std::move(registration)),
      changed_(executor) {}

void ConversationStream::Fill(pb::scheduler::AnnouncePeerRequest& message) const {
  message.set_host_id(peer_.host_id.str());
  message.set_task_id(peer_.task_id.str());
  message.set_peer_id(peer_.peer_id.str());
}

Awaitable<absl::Status> ConversationStream::Open(const std::shared_ptr<grpc::Channel>& channel) {
  using Stub = pb::scheduler::Scheduler::Stub;
  const auto stub = pb::scheduler::Scheduler::NewStub(channel);
  stream_.emplace(rpc::OpenBidi(executor_, *stub->async(), &Stub::async::AnnouncePeer));
  pb::scheduler::AnnouncePeerRequest message = registration_;
  Fill(message);
  // gRPC takes the message when there is a connection, so this is where an unreachable scheduler
  // shows.
  if (co_await stream_->Write(std::move(message))) co_return absl::OkStatus();
  const auto answer = co_await stream_->Read();
  if (!answer.ok()) co_return answer.status();
  co_return absl::UnavailableError("the scheduler ended the stream before the registration");
}

Awaitable<absl::Status> ConversationStream::Reopen(const std::shared_ptr<grpc::Channel>& channel) {
  over_ = false;
  co_return co_await Open(channel);
}

Awaitable<absl::StatusOr<std::optional<ScheduleDecision>>> ConversationStream::Read() {
  auto answer = co_await stream_->Read();
  if (!answer.ok() || !answer->has_value()) {
    over_ = true;
    changed_.Notify();
    if (!answer.ok()) co_return answer.status();
    co_return std::nullopt;
  }
  auto decision = FromProto(**answer);
  if (!decision.ok()) co_return decision.status();
  co_return std::optional<ScheduleDecision>(*std::move(decision));
}

bool ConversationStream::Push(const PeerReport& report) {
  if (over_) return false;
  if (queue_.size() >= kMaxQueuedReports) {
    overflowed_ = true;
    return false;
  }
  auto& message = queue_.emplace_back();
  Fill(message);
  ToProto(report, peer_.task_id, message);
  changed_.Notify();
  return true;
}

void ConversationStream::Abandon(std::chrono::milliseconds flush) {
  abandoned_until_ = std::chrono::steady_clock::now() + flush;
  changed_.Notify();
}

Awaitable<> ConversationStream::WriteReports(std::shared_ptr<ConversationStream> self) {
  while (!self->over_) {
    if (self->queue_.empty()) {
      if (self->abandoned_until_) break;
      const auto version = self->changed_.version();
      (void)co_await self->changed_.WaitPast(version);
      continue;
    }
    auto message = std::move(self->queue_.front());
    self->queue_.pop_front();
    absl::Status sent;
    if (self->abandoned_until_) {
      const auto left = *self->abandoned_until_ - std::chrono::steady_clock::now();
      if (left <= Duration::zero()) break;
      sent = co_await WithTimeout(WriteOne(*self->stream_, std::move(message)), left, "report");
    } else {
      sent = co_await WriteOne(*self->stream_, std::move(message));
    }
    if (!sent.ok()) {
      self->over_ = true;
      self->changed_.Notify();
    }
  }
  // Nobody else reads any more once the driver has left; with this coroutine the last reference
  // goes, which cancels what is left of the call.
  if (self->over_ || !self->abandoned_until_) co_return;
  const auto left = *self->abandoned_until_ - std::chrono::steady_clock::now();
  if (left > Duration::zero()) {
    (void)co_await WithTimeout(EndCall(*self->stream_), left, "end conversation");
  }
}

}  // namespace dragonfly::dfdaemon
