#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include <prometheus/family.h>
#include <prometheus/registry.h>

#include "common/metrics/exposition.h"
#include "common/metrics/labeled.h"
#include "common/metrics/summary.h"
#include "scheduler/stats/scheduler_stats.h"

namespace dragonfly::scheduler {

/// Counters of what peers say, one call per message and piece: the label sets are few and fixed, so
/// every counter is found by an index, without a lock. Names, labels and help as Go
/// scheduler/metrics/metrics.go, v2.4.0.
class SchedulerStats::ConversationCounters final : public SchedulingMetrics {
 public:
  ConversationCounters(MetricsPage& page, const Clock& clock, bool host_traffic);

  void PeerRegistered(const PeerLabels& labels) override;
  void PeerRegisterFailed(const PeerLabels& labels) override;
  void PeerStarted(const PeerLabels& labels) override;
  void PeerStartFailed(const PeerLabels& labels) override;
  void BackToSourceStarted(const PeerLabels& labels) override;
  void BackToSourceStartFailed(const PeerLabels& labels) override;
  void PeerEnded(const PeerLabels& labels) override;
  void PeerFailed(const PeerLabels& labels) override;
  void BackToSourceFailed(const PeerLabels& labels) override;
  void PeerSucceeded(std::int64_t content_length, Duration since_created) override;
  void PieceFinished(const PieceLabels& labels, std::uint64_t bytes) override;
  void PieceFailed(const PieceLabels& labels) override;
  void HostBytes(HostTraffic direction, TaskKind task, const HostInfo& host,
                 std::uint64_t bytes) override;
  void Scheduled(Duration since_asked) override;

 private:
  ConversationCounters(MetricsPage& page, prometheus::Registry& registry, const Clock& clock,
                       bool host_traffic);

  /// A family whose counters are made when they are first counted, and found by index then.
  template <std::size_t kSets>
  class Indexed {
   public:
    Indexed(prometheus::Registry& registry, const std::string& name, const std::string& help);
    /// `labels()` makes the label values of a set that is new.
    template <class MakeLabels>
    prometheus::Counter& At(std::size_t index, const MakeLabels& labels);

   private:
    prometheus::Family<prometheus::Counter>& family_;
    std::array<std::atomic<prometheus::Counter*>, kSets> counters_{};
  };
  static constexpr std::size_t kPeerSets = 7 * 3 * 2;   // Priority, kind of task, kind of host.
  static constexpr std::size_t kPieceSets = 3 * 3 * 2;  // Traffic, kind of task, kind of host.

  static void Count(Indexed<kPeerSets>& family, const PeerLabels& labels);
  static void Count(Indexed<kPieceSets>& family, const PieceLabels& labels,
                    const char* traffic_label, double by);

  Indexed<kPeerSets> registered_;
  Indexed<kPeerSets> register_failed_;
  Indexed<kPeerSets> started_;
  Indexed<kPeerSets> start_failed_;
  Indexed<kPeerSets> source_started_;
  Indexed<kPeerSets> source_start_failed_;
  Indexed<kPeerSets> ended_;
  Indexed<kPeerSets> failed_;
  Indexed<kPeerSets> source_failed_;
  Indexed<kPieceSets> pieces_;
  Indexed<kPieceSets> pieces_failed_;
  Indexed<kPieceSets> traffic_;
  std::unique_ptr<LabeledCounter<6>> host_traffic_;
  const Clock& clock_;
  std::shared_ptr<SummaryFamily> durations_;
  std::array<std::atomic<Summary*>, kTaskSizeLevels> durations_by_level_{};
  std::shared_ptr<SummaryFamily> scheduling_;
  Summary& scheduling_durations_;
};

}  // namespace dragonfly::scheduler
