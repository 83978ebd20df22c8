#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "common/log/logger.h"
#include "common/rpc/bidi_call.h"
#include "common/rpc/pb.h"
#include "scheduler.pb.h"
#include "scheduler/rpc/read_turns.h"
#include "scheduler/rpc/scheduler_metrics.h"
#include "scheduler/rpc/shard.h"
#include "scheduler/selection/peer_channel.h"

namespace dragonfly::scheduler {

/// One AnnouncePeer stream. gRPC's threads put messages into its inbox, the shard takes them out in
/// their order; while a registration or a reschedule has no answer, later messages wait. The
/// scheduler ends the stream after the last message of a download: clients wait for that.
class PeerStream final : public rpc::BidiObserver<pb::scheduler::AnnouncePeerRequest>,
                         public PeerChannel,
                         public ReadTurns::Reader,
                         public std::enable_shared_from_this<PeerStream> {
 public:
  using Request = pb::scheduler::AnnouncePeerRequest;
  using Response = pb::scheduler::AnnouncePeerResponse;
  using Call = rpc::BidiCall<Request, Response>;
  /// The shards of the service; outlive the stream.
  using Shards = std::vector<std::shared_ptr<Shard>>;

  PeerStream(std::shared_ptr<Call> call, const Shards& shards, std::shared_ptr<ReadTurns> turns,
             SchedulerMetrics& metrics, Logger log);
  ~PeerStream() override;

  // BidiObserver, on gRPC's threads.
  rpc::AfterMessage OnMessage(Request& message) override;
  void OnHalfClose() override;
  void OnClosed(const absl::Status& status) override;

  // ReadTurns::Reader, between two messages.
  void Resume(int reports) override;

  // On the shard.

  /// Applies up to `budget` messages. True: there are more.
  bool Drain(Dispatcher& dispatcher, SteadyTime now, std::size_t budget);

  // PeerChannel.
  bool SendEmptyTask() override;
  bool SendMetadataOnly() override;
  bool SendParents(const Peer& child, std::span<const ParentFinder::Candidate> parents) override;
  bool SendBackToSource(std::string_view description) override;
  void Settled(absl::Status status) override;

 private:
  struct Inbound;
  /// Messages in slots that are used again, so that piece reports allocate nothing.
  struct Inbox {
    std::vector<Inbound> slots;
    std::size_t count = 0;
  };

  static void Fill(Request& message, Inbound& slot);
  void Apply(Inbound& message, Dispatcher& dispatcher, SteadyTime now);
  void LogReport(const absl::Status& status) const;
  void Finish(const absl::Status& status);
  /// Takes the next messages from the gRPC side; false when there are none.
  bool Refill();
  void Wake(Shard::Urgency urgency);

  const std::shared_ptr<Call> call_;
  const Shards& shards_;
  const std::shared_ptr<ReadTurns> turns_;
  SchedulerMetrics& metrics_;
  const Logger log_;

  /// Set by the first message, before anything reaches the shard.
  PeerKey key_;
  std::shared_ptr<Shard> shard_;

  // Only where messages arrive, one at a time: reports that its turn has left, and how long its
  // next turn is.
  int reports_left_ = ReadTurns::kFree;
  int turn_ = ReadTurns::kFree;

  Mutex mutex_;
  Inbox inbox_ ABSL_GUARDED_BY(mutex_);
  bool reports_queued_ ABSL_GUARDED_BY(mutex_) = false;
  bool control_queued_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool half_closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  // Only on the shard.
  ReportMemo memo_;
  Inbox taken_;
  std::size_t position_ = 0;
  bool busy_ = false;  // A registration or reschedule has no answer.
  bool done_ = false;
};

}  // namespace dragonfly::scheduler
