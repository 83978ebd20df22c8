#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>

#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/notifier.h"
#include "common/rpc/channel.h"
#include "common/rpc/client.h"
#include "common/rpc/pb.h"
#include "dfdaemon/cluster/scheduler_client.h"
#include "scheduler.grpc.pb.h"

namespace dragonfly::dfdaemon {

/// One AnnouncePeer stream and the reports that wait for it. Shared by the driver's handle, which
/// reads, and a background coroutine, which writes. Runs on: the `io` executor.
class ConversationStream : public std::enable_shared_from_this<ConversationStream> {
 public:
  using Stream =
      rpc::ClientBidi<pb::scheduler::AnnouncePeerRequest, pb::scheduler::AnnouncePeerResponse>;

  ConversationStream(asio::any_io_executor executor, PeerIdentity peer,
                     pb::scheduler::AnnouncePeerRequest registration);

  /// Opens the stream and sends the registration. Unavailable when the scheduler is not reached;
  /// otherwise its status.
  Awaitable<absl::Status> Open(const std::shared_ptr<grpc::Channel>& channel);
  /// The same again on a new stream; nothing may have been written but the registration.
  Awaitable<absl::Status> Reopen(const std::shared_ptr<grpc::Channel>& channel);
  /// The next decision; see PeerConversation::Next().
  Awaitable<absl::StatusOr<std::optional<ScheduleDecision>>> Read();

  /// Queues a report. When the queue is full, reports of pieces are left out, and the peer's final
  /// report still finds room. False: it was left out, or the stream is over.
  bool Push(const PeerReport& report);
  /// Sends what is queued, in order, until Abandon() was called and the queue is empty, or the
  /// stream is over.
  static Awaitable<> WriteReports(std::shared_ptr<ConversationStream> self);
  /// The driver has left: what is queued goes out for at most `flush`, then the call is cancelled.
  /// When half of that has passed, reports of pieces are left out.
  void Abandon(std::chrono::milliseconds flush);

  [[nodiscard]] const PeerIdentity& peer() const { return peer_; }

 private:
  void Fill(pb::scheduler::AnnouncePeerRequest& message) const;
  void LeaveOutPieces();

  const asio::any_io_executor executor_;
  const PeerIdentity peer_;
  const pb::scheduler::AnnouncePeerRequest registration_;
  std::optional<Stream> stream_;
  std::deque<pb::scheduler::AnnouncePeerRequest> queue_;
  Notifier changed_;
  bool over_ = false;
  bool abandoned_ = false;
  SteadyTime pieces_until_;  // Once abandoned.
  asio::steady_timer flush_over_;
};

}  // namespace dragonfly::dfdaemon
