#include "scheduler/selection/evaluator.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"

namespace dragonfly::scheduler {
namespace {

// Weights and formulas: Go scheduler/scheduling/evaluator/evaluator_default.go, v2.4.0.
constexpr double kLoadQualityWeight = 0.6;
constexpr double kIdcAffinityWeight = 0.2;
constexpr double kLocationAffinityWeight = 0.1;
constexpr double kHostTypeWeight = 0.1;

constexpr double kPeakBandwidthUsageWeight = 0.5;
constexpr double kBandwidthDurationWeight = 0.3;
constexpr double kConcurrencyWeight = 0.2;

constexpr double kBandwidthWindowSeconds = 60;
constexpr double kConcurrencyPieceBytes = 16 * 1024 * 1024;

double PeakBandwidthUsage(std::uint64_t max, std::uint64_t tx) {
  if (max == 0 || tx >= max) return 0;
  return 1 - static_cast<double>(tx) / static_cast<double>(max);
}

/// Share of the window that is left after everything that children still want was sent.
double BandwidthDuration(std::uint64_t max, std::uint64_t content_length) {
  if (max == 0) return 0;
  if (content_length == 0) return 1;
  const std::uint64_t bits = content_length * 8;  // Wraps like the original's.
  const double share =
      static_cast<double>(bits) / static_cast<double>(max) / kBandwidthWindowSeconds;
  return share >= 1 ? 0 : 1 - share;
}

/// How well the link carries the pieces asked for at once.
double Concurrency(std::uint64_t max, std::uint64_t pieces) {
  if (max == 0) return 0;
  const double needed = static_cast<double>(max) / kConcurrencyPieceBytes / 8;
  if (needed <= 1) return 0;
  if (pieces == 0) return 1;
  const double ratio = static_cast<double>(pieces) / needed;
  return ratio <= 1 ? 1 : 1 / ratio;
}

double IdcAffinity(const Place& a, const Place& b) {
  return a.idc != 0 && a.idc == b.idc ? 1 : 0;
}

double LocationAffinity(const Place& a, const Place& b) {
  if (a.location == 0 || b.location == 0) return 0;
  if (a.location == b.location) return 1;
  const std::uint32_t shorter = std::min(a.element_count, b.element_count);
  std::uint32_t equal = 0;
  while (equal < shorter && a.prefixes[equal] == b.prefixes[equal]) ++equal;
  return static_cast<double>(equal) / Place::kElements;
}

/// A seed that has only just begun is the best parent there is, one that has finished the worst:
/// by then others can serve.
double HostTypeScore(const Peer& parent) {
  if (!IsSeed(parent.host_info().type)) return 0.5;
  const bool beginning =
      parent.state() == PeerState::kReceivedNormal || parent.state() == PeerState::kRunning;
  return beginning ? 1 : 0;
}

/// 1 up to `free_until` percent of use, from there falling to 0 at 100.
double HeadroomAt(double percent, double free_until) {
  return std::clamp((100 - percent) / (100 - free_until), 0.0, 1.0);
}

template <class ScoreOf>
class ScoringEvaluator final : public Evaluator {
 public:
  [[nodiscard]] double Score(const Peer& parent, const Peer& child) const override {
    return ScoreOf{}(parent, child);
  }

  [[nodiscard]] bool IsBadParent(const Peer& peer) const override {
    switch (peer.state()) {
      case PeerState::kRunning:
      case PeerState::kBackToSource:
      case PeerState::kSucceeded:
        return peer.piece_costs.LastIsOutlier();
      default:
        return true;
    }
  }
};

}  // namespace

ScoreParts DefaultScore(const Peer& parent, const Peer& child) {
  const HostInfo& from = parent.host_info();
  const HostInfo& to = child.host_info();
  const UploadLoad load = parent.host().load();
  ScoreParts parts;
  parts.peak_bandwidth_usage = PeakBandwidthUsage(from.max_tx_bandwidth, load.tx_bandwidth);
  parts.bandwidth_duration = BandwidthDuration(from.max_tx_bandwidth, load.content_length);
  parts.concurrency = Concurrency(from.max_tx_bandwidth, load.concurrent_piece_count);
  parts.load_quality = kPeakBandwidthUsageWeight * parts.peak_bandwidth_usage +
                       kBandwidthDurationWeight * parts.bandwidth_duration +
                       kConcurrencyWeight * parts.concurrency;
  parts.idc_affinity = IdcAffinity(to.place, from.place);
  parts.location_affinity = LocationAffinity(to.place, from.place);
  parts.host_type = HostTypeScore(parent);
  parts.total = kLoadQualityWeight * parts.load_quality + kIdcAffinityWeight * parts.idc_affinity +
                kLocationAffinityWeight * parts.location_affinity +
                kHostTypeWeight * parts.host_type;
  return parts;
}

double Headroom(const MachineLoad& load) {
  // Sending costs little CPU, so half a machine is enough for it; without memory for the page cache
  // pieces are read from the disk; from a full disk they are deleted soon.
  constexpr double kCpuFreeUntil = 50;
  constexpr double kMemoryFreeUntil = 80;
  constexpr double kDiskFreeUntil = 90;
  // What a common SSD does; how fast this one is nobody announces.
  constexpr double kDiskBytesPerSecond = 1e9;
  const double disk_percent =
      std::min(100.0, 100 * static_cast<double>(load.disk_bandwidth) / kDiskBytesPerSecond);
  return std::min({HeadroomAt(load.cpu_percent, kCpuFreeUntil),
                   HeadroomAt(load.memory_percent, kMemoryFreeUntil),
                   HeadroomAt(load.disk_percent, kDiskFreeUntil), HeadroomAt(disk_percent, 0)});
}

double LoadAwareScore(const Peer& parent, const Peer& child) {
  constexpr double kHeadroomWeight = 0.3;
  return (1 - kHeadroomWeight) * DefaultScore(parent, child).total +
         kHeadroomWeight * Headroom(parent.host_info().load);
}

double Affinity(const Peer& parent, const Peer& child) {
  const HostInfo& from = parent.host_info();
  const HostInfo& to = child.host_info();
  return IdcAffinity(to.place, from.place) + LocationAffinity(to.place, from.place);
}

absl::StatusOr<std::unique_ptr<const Evaluator>> MakeEvaluator(std::string_view algorithm) {
  if (algorithm == "plugin") {
    return absl::InvalidArgumentError(
        "scheduler.algorithm: evaluators are not loaded from plug-in libraries");
  }
  const auto by_default = [](const Peer& parent, const Peer& child) {
    return DefaultScore(parent, child).total;
  };
  const auto by_load = [](const Peer& parent, const Peer& child) {
    return LoadAwareScore(parent, child);
  };
  if (algorithm == "load-aware") {
    return std::make_unique<const ScoringEvaluator<decltype(by_load)>>();
  }
  return std::make_unique<const ScoringEvaluator<decltype(by_default)>>();
}

}  // namespace dragonfly::scheduler
