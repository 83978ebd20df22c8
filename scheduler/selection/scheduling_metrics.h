#pragma once

#include <cstdint>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "scheduler/swarm/host.h"

namespace dragonfly::scheduler {

/// Label set P of the peer counters; `priority` is the effective one.
struct PeerLabels {
  Priority priority = Priority::kLevel0;
  TaskKind task = TaskKind::kStandard;
  HostType host = HostType::kNormal;
};

/// Label set T of the piece counters.
struct PieceLabels {
  TrafficType traffic = TrafficType::kRemotePeer;
  TaskKind task = TaskKind::kStandard;
  HostType host = HostType::kNormal;
};

/// What happens in conversations with peers. Called from all shards at once, once per message and
/// piece: must be cheap and must not block. Names of the counters (dragonfly_scheduler_…) behind
/// each verb; "+ failure" counts in the counter and in its _failure twin.
class SchedulingMetrics {
 public:
  enum class HostTraffic : std::uint8_t { kDownload, kUpload };

  virtual ~SchedulingMetrics() = default;

  virtual void PeerRegistered(const PeerLabels& labels) = 0;      ///< register_peer_total
  virtual void PeerRegisterFailed(const PeerLabels& labels) = 0;  ///< register_peer_failure_total
  virtual void PeerStarted(const PeerLabels& labels) = 0;         ///< download_peer_started_total
  virtual void PeerStartFailed(const PeerLabels& labels) = 0;     ///< …_started_failure_total
  /// download_peer_back_to_source_started_total and its _failure twin.
  virtual void BackToSourceStarted(const PeerLabels& labels) = 0;
  virtual void BackToSourceStartFailed(const PeerLabels& labels) = 0;
  /// download_peer_finished_total: every end, good or bad.
  virtual void PeerEnded(const PeerLabels& labels) = 0;
  virtual void PeerFailed(const PeerLabels& labels) = 0;  ///< download_peer_finished_failure_total
  /// download_peer_back_to_source_finished_failure_total
  virtual void BackToSourceFailed(const PeerLabels& labels) = 0;
  /// download_peer_duration_milliseconds; `content_length` chooses task_size_level, -1 unknown.
  virtual void PeerSucceeded(std::int64_t content_length, Duration since_created) = 0;
  /// download_piece_finished_total, and `bytes` in traffic.
  virtual void PieceFinished(const PieceLabels& labels, std::uint64_t bytes) = 0;
  /// download_piece_finished_total + failure.
  virtual void PieceFailed(const PieceLabels& labels) = 0;
  /// host_traffic; only counted when the configuration asks for it.
  virtual void HostBytes(HostTraffic direction, TaskKind task, const HostInfo& host,
                         std::uint64_t bytes) = 0;
  /// schedule_duration_milliseconds: a peer got an answer, waiting included.
  virtual void Scheduled(Duration since_asked) = 0;
};

class NullSchedulingMetrics : public SchedulingMetrics {
 public:
  void PeerRegistered(const PeerLabels&) override {}
  void PeerRegisterFailed(const PeerLabels&) override {}
  void PeerStarted(const PeerLabels&) override {}
  void PeerStartFailed(const PeerLabels&) override {}
  void BackToSourceStarted(const PeerLabels&) override {}
  void BackToSourceStartFailed(const PeerLabels&) override {}
  void PeerEnded(const PeerLabels&) override {}
  void PeerFailed(const PeerLabels&) override {}
  void BackToSourceFailed(const PeerLabels&) override {}
  void PeerSucceeded(std::int64_t, Duration) override {}
  void PieceFinished(const PieceLabels&, std::uint64_t) override {}
  void PieceFailed(const PieceLabels&) override {}
  void HostBytes(HostTraffic, TaskKind, const HostInfo&, std::uint64_t) override {}
  void Scheduled(Duration) override {}
};

}  // namespace dragonfly::scheduler
