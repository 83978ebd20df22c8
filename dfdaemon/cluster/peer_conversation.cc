#include "dfdaemon/cluster/peer_conversation.h"

#include <utility>
#include <variant>

#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/cluster/grpc_scheduler_client.h"

namespace dragonfly::dfdaemon {
namespace {

bool IsOfPiece(const PeerReport& report) {
  return std::holds_alternative<PieceFromParent>(report) ||
         std::holds_alternative<PieceFromSource>(report) ||
         std::holds_alternative<PieceFromParentFailed>(report) ||
         std::holds_alternative<PieceFromSourceFailed>(report);
}

bool IsOfPiece(const pb::scheduler::AnnouncePeerRequest& message) {
  return message.has_download_piece_finished_request() ||
         message.has_download_piece_back_to_source_finished_request() ||
         message.has_download_piece_failed_request() ||
         message.has_download_piece_back_to_source_failed_request();
}

bool IsFinal(const PeerReport& report) {
  return std::holds_alternative<PeerFinished>(report) ||
         std::holds_alternative<PeerBackToSourceFinished>(report) ||
         std::holds_alternative<PeerFailed>(report) ||
         std::holds_alternative<PeerBackToSourceFailed>(report);
}

// A peer reports a few things besides its pieces; more than this only to a scheduler that goes on
// answering and does not read.
constexpr std::size_t kMaxOtherReports = 64;

// Half-closes and waits for the scheduler's end: a call that is cancelled at once may lose the last
// reports, which the scheduler has not read yet.
Awaitable<> EndCall(ConversationStream::Stream& stream) {
  co_await stream.WritesDone();
  while (true) {
    const auto answer = co_await stream.Read();
    if (!answer.ok() || !answer->has_value()) co_return;
  }
}

}  // namespace

ConversationStream::ConversationStream(asio::any_io_executor executor, PeerIdentity peer,
                                       pb::scheduler::AnnouncePeerRequest registration)
    : executor_(executor),
      peer_(std::move(peer)),
      registration_(std::move(registration)),
      changed_(executor),
      flush_over_(executor) {}

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
  const std::size_t limit =
      IsOfPiece(report) ? kMaxQueuedReports : kMaxQueuedReports + kMaxOtherReports;
  if (queue_.size() >= limit && !IsFinal(report)) return false;
  auto& message = queue_.emplace_back();
  Fill(message);
  ToProto(report, peer_.task_id, message);
  changed_.Notify();
  return true;
}

void ConversationStream::Abandon(std::chrono::milliseconds flush) {
  abandoned_ = true;
  pieces_until_ = std::chrono::steady_clock::now() + flush / 2;
  // Also ends a write that waits for a scheduler that does not read.
  flush_over_.expires_after(flush);
  flush_over_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && self->stream_) self->stream_->Cancel();
  });
  changed_.Notify();
}

void ConversationStream::LeaveOutPieces() {
  std::erase_if(queue_, [](const auto& message) { return IsOfPiece(message); });
}

Awaitable<> ConversationStream::WriteReports(std::shared_ptr<ConversationStream> self) {
  while (!self->over_) {
    if (self->abandoned_ && std::chrono::steady_clock::now() >= self->pieces_until_) {
      self->LeaveOutPieces();
    }
    if (self->queue_.empty()) {
      if (self->abandoned_) break;
      const auto version = self->changed_.version();
      (void)co_await self->changed_.WaitPast(version);
      continue;
    }
    auto message = std::move(self->queue_.front());
    self->queue_.pop_front();
    if (!co_await self->stream_->Write(std::move(message))) {
      self->over_ = true;
      self->changed_.Notify();
    }
  }
  // Nobody else reads any more once the driver has left; with this coroutine the last reference
  // goes, which cancels what is left of the call.
  if (!self->over_) co_await EndCall(*self->stream_);
}

}  // namespace dragonfly::dfdaemon
