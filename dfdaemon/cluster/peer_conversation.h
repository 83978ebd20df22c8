#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>

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
class ConversationStream {
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

  /// Queues a report. False: the queue is full or the stream is over.
  bool Push(const PeerReport& report);
  /// Sends what is queued, in order, until Abandon() was called and the queue is empty, or the
  /// stream is over.
  static Awaitable<> WriteReports(std::shared_ptr<ConversationStream> self);
  /// The driver has left: what is queued goes out for at most `flush`, then the call is cancelled.
  void Abandon(std::chrono::milliseconds flush);

  [[nodiscard]] bool overflowed() const { return overflowed_; }
  [[nodiscard]] const PeerIdentity& peer() const { return peer_; }

 private:
  void Fill(pb::scheduler::AnnouncePeerRequest& message) const;

  const asio::any_io_executor executor_;
  const PeerIdentity peer_;
  const pb::scheduler::AnnouncePeerRequest registration_;
  std::optional<Stream> stream_;
  std::deque<pb::scheduler::AnnouncePeerRequest> queue_;
  Notifier changed_;
  bool over_ = false;
  bool overflowed_ = false;
  std::optional<SteadyTime> abandoned_until_;
};

}  // namespace dragonfly::dfdaemon
