#include "scheduler/rpc/peer_stream.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "common/base/strings.h"
#include "scheduler/rpc/messages.h"
#include "scheduler/rpc/validation.h"

namespace dragonfly::scheduler {
namespace {

// A client that sends faster than its shard works is read no further.
constexpr std::size_t kInboxLimit = 1024;

}  // namespace

struct PeerStream::Inbound {
  Request::RequestCase kind = Request::REQUEST_NOT_SET;
  absl::Status invalid;  // Not OK: nothing else counts.
  PieceReport piece;     // Pieces; parent_id also of a failed one.
  bool temporary = false;
  std::unique_ptr<Registration> registration;
  std::vector<PeerId> used_parents;
};

PeerStream::PeerStream(std::shared_ptr<Call> call, const Shards& shards,
                       std::shared_ptr<ReadTurns> turns, SchedulerMetrics& metrics, Logger log)
    : call_(std::move(call)),
      shards_(shards),
      turns_(std::move(turns)),
      metrics_(metrics),
      log_(std::move(log)) {
  metrics_.ConversationOpened();
}

PeerStream::~PeerStream() = default;

void PeerStream::Fill(Request& message, Inbound& slot) {
  slot.kind = message.request_case();
  slot.invalid = Validate(message);
  if (!slot.invalid.ok()) return;
  switch (slot.kind) {
    case Request::kRegisterPeerRequest:
      slot.registration = std::make_unique<Registration>(
          ToRegistration(message.register_peer_request().download()));
      break;
    case Request::kReschedulePeerRequest:
      slot.used_parents.clear();
      for (const auto& parent : message.reschedule_peer_request().candidate_parents()) {
        slot.used_parents.emplace_back(parent.id());
      }
      break;
    case Request::kDownloadPieceFinishedRequest:
      FillReport(message.download_piece_finished_request().piece(), slot.piece);
      break;
    case Request::kDownloadPieceBackToSourceFinishedRequest:
      FillReport(message.download_piece_back_to_source_finished_request().piece(), slot.piece);
      break;
    case Request::kDownloadPieceFailedRequest:
      slot.piece.parent_id.assign(message.download_piece_failed_request().parent_id());
      slot.temporary = message.download_piece_failed_request().temporary();
      break;
    default:
      break;
  }
}

rpc::AfterMessage PeerStream::OnMessage(Request& message) {
  if (shard_ == nullptr) {
    key_ = {HostId(message.host_id()), TaskId(message.task_id()), PeerId(message.peer_id())};
    shard_ = shards_[absl::HashOf(key_.task_id) % shards_.size()];
  }
  Shard::Urgency urgency = Shard::Urgency::kControl;
  bool report = false;
  bool pause = false;
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    if (inbox_.count == inbox_.slots.size()) inbox_.slots.emplace_back();
    Inbound& slot = inbox_.slots[inbox_.count++];
    Fill(message, slot);
    if (slot.invalid.ok() &&
        (message.peer_id() != key_.peer_id.str() || message.task_id() != key_.task_id.str() ||
         message.host_id() != key_.host_id.str())) {
      slot.invalid = absl::InvalidArgumentError("ids change within one stream");
    }
    if (slot.kind == Request::kRegisterPeerRequest) turns_->Registration();
    report = slot.invalid.ok() && slot.kind >= Request::kDownloadPieceFinishedRequest;
    if (report) urgency = Shard::Urgency::kReports;
    bool& queued = report ? reports_queued_ : control_queued_;
    // Who stands in the urgent queue has its reports looked at with the rest.
    wake = !queued && !(report && control_queued_);
    if (wake) queued = true;
    pause = inbox_.count >= kInboxLimit;
    paused_ = pause;
  }
  if (wake) shard_->Ready(shared_from_this(), urgency);
  if (pause) return rpc::AfterMessage::kPause;
  if (!report || --reports_left_ > 0) return rpc::AfterMessage::kReadNext;
  turn_ = std::min(2 * turn_, ReadTurns::kMost);
  const int turn = turn_;
  // When it has to wait, the next message may be here before this returns.
  if (!turns_->Take(shared_from_this(), turn)) return rpc::AfterMessage::kPause;
  reports_left_ = turn;
  return rpc::AfterMessage::kReadNext;
}

void PeerStream::Resume(int reports) {
  reports_left_ = reports;
  call_->Resume();
}

void PeerStream::Wake(Shard::Urgency urgency) {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(control_queued_, true)) return;
  }
  shard_->Ready(shared_from_this(), urgency);
}

void PeerStream::OnHalfClose() {
  if (shard_ == nullptr) {
    call_->Finish(absl::OkStatus());
    return;
  }
  {
    const MutexLock lock(mutex_);
    half_closed_ = true;
  }
  Wake(Shard::Urgency::kControl);
}

void PeerStream::OnClosed(const absl::Status& status) {
  metrics_.ConversationClosed(!status.ok());
  if (shard_ == nullptr) return;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
  }
  Wake(Shard::Urgency::kControl);
}

bool PeerStream::Refill() {
  bool resume = false;
  {
    const MutexLock lock(mutex_);
    taken_.count = 0;
    position_ = 0;
    std::swap(inbox_, taken_);
    resume = std::exchange(paused_, false);
  }
  if (resume) call_->Resume();
  return taken_.count > 0;
}

bool PeerStream::Drain(Dispatcher& dispatcher, SteadyTime now, std::size_t budget) {
  bool closed = false;
  {
    const MutexLock lock(mutex_);
    reports_queued_ = control_queued_ = false;
    closed = closed_;
  }
  while (!done_ && !busy_) {
    if (position_ == taken_.count && !Refill()) break;
    if (budget-- == 0) break;
    Apply(taken_.slots[position_++], dispatcher, now);
  }
  if (done_) return false;
  if (closed && (busy_ || position_ == taken_.count)) {
    done_ = true;
    dispatcher.Disconnected(key_, now);
    return false;
  }
  if (busy_) return false;
  const MutexLock lock(mutex_);
  const bool more = position_ < taken_.count || inbox_.count > 0;
  if (!more && half_closed_) {
    done_ = true;
    call_->Finish(absl::OkStatus());
  }
  return more || (closed_ && !closed);
}

void PeerStream::Apply(Inbound& message, Dispatcher& dispatcher, SteadyTime now) {
  if (!message.invalid.ok()) {
    // For the swarm it is as if the client had gone: nothing more comes from it.
    dispatcher.Disconnected(key_, now);
    Finish(message.invalid);
    return;
  }
  const auto go_on = [&](const absl::Status& status) {
    if (!status.ok()) Finish(status);
  };
  switch (message.kind) {
    case Request::kRegisterPeerRequest:
      busy_ = true;
      dispatcher.Register(key_, std::move(*message.registration), shared_from_this(), now);
      message.registration.reset();
      return;
    case Request::kReschedulePeerRequest:
      busy_ = true;
      dispatcher.Reschedule(key_, message.used_parents, shared_from_this(), now);
      return;
    case Request::kDownloadPeerStartedRequest:
      return go_on(dispatcher.Started(key_, now));
    case Request::kDownloadPeerBackToSourceStartedRequest:
      return go_on(dispatcher.BackToSourceStarted(key_, now));
    case Request::kDownloadPeerFinishedRequest:
      return Finish(dispatcher.Finished(key_, now));
    case Request::kDownloadPeerBackToSourceFinishedRequest:
      return Finish(dispatcher.BackToSourceFinished(key_, now));
    case Request::kDownloadPeerFailedRequest:
      return Finish(dispatcher.Failed(key_, now));
    case Request::kDownloadPeerBackToSourceFailedRequest:
      return Finish(dispatcher.BackToSourceFailed(key_, now));
    case Request::kDownloadPieceFinishedRequest:
      return LogReport(dispatcher.PieceFinished(key_, message.piece, memo_, now));
    case Request::kDownloadPieceBackToSourceFinishedRequest:
      return LogReport(dispatcher.PieceFromSourceFinished(key_, message.piece, now));
    case Request::kDownloadPieceFailedRequest:
      return LogReport(dispatcher.PieceFailed(key_, PeerId(message.piece.parent_id),
                                              message.temporary, now));
    case Request::kDownloadPieceBackToSourceFailedRequest:
      return LogReport(dispatcher.PieceFromSourceFailed(key_, now));
    case Request::REQUEST_NOT_SET:
      return;
  }
}

void PeerStream::LogReport(const absl::Status& status) const {
  if (status.ok()) return;
  log_.Debug("piece report", {{"task_id", key_.task_id}, {"peer_id", key_.peer_id},
                              {"error", status}});
}

void PeerStream::Finish(const absl::Status& status) {
  done_ = true;
  if (!status.ok()) {
    log_.Warn("conversation failed", {{"host_id", key_.host_id},
                                      {"task_id", key_.task_id},
                                      {"peer_id", key_.peer_id},
                                      {"error", status}});
  }
  call_->Finish(status);
}

bool PeerStream::SendEmptyTask() {
  Response response;
  response.mutable_empty_task_response();
  return call_->Send(std::move(response));
}

bool PeerStream::SendMetadataOnly() {
  Response response;
  response.mutable_metadata_only_response();
  return call_->Send(std::move(response));
}

bool PeerStream::SendParents(const Peer& child, std::span<const ParentFinder::Candidate> parents) {
  (void)child;
  return call_->Send(ParentsResponse(parents, Times::Of(shard_->clock())));
}

bool PeerStream::SendBackToSource(std::string_view description) {
  Response response;
  response.mutable_need_back_to_source_response()->set_description(std::string(description));
  return call_->Send(std::move(response));
}

void PeerStream::Settled(absl::Status status) {
  busy_ = false;
  if (!status.ok()) {
    if (!done_) Finish(status);
    return;
  }
  // Messages that came meanwhile; not from here, the dispatcher is in the middle of something.
  Wake(Shard::Urgency::kControl);
}

}  // namespace dragonfly::scheduler
