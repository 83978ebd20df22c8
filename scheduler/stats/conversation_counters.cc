#include "scheduler/stats/conversation_counters.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "common/base/types.h"

namespace dragonfly::scheduler {
namespace {

using Labels = std::map<std::string, std::string>;

const std::string kPrefix = "dragonfly_scheduler_";

constexpr const char* kPriorities[] = {"LEVEL0", "LEVEL1", "LEVEL2", "LEVEL3",
                                       "LEVEL4", "LEVEL5", "LEVEL6"};
constexpr const char* kTasks[] = {"STANDARD", "PERSISTENT", "PERSISTENT_CACHE"};
constexpr const char* kTraffics[] = {"BACK_TO_SOURCE", "REMOTE_PEER", "LOCAL_PEER"};
constexpr const char* kHosts[] = {"normal", "super"};

std::size_t HostIndex(HostType type) { return type == HostType::kSuper ? 1 : 0; }

std::size_t IndexOf(const PeerLabels& labels) {
  return (static_cast<std::size_t>(labels.priority) * 3 + static_cast<std::size_t>(labels.task)) *
             2 +
         HostIndex(labels.host);
}

std::size_t IndexOf(const PieceLabels& labels) {
  return (static_cast<std::size_t>(labels.traffic) * 3 + static_cast<std::size_t>(labels.task)) *
             2 +
         HostIndex(labels.host);
}

double Millis(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

std::size_t TaskSizeLevel(std::int64_t content_length) {
  static constexpr std::uint64_t kSteps[] = {
      1 * kMiB,   4 * kMiB,   8 * kMiB, 16 * kMiB, 32 * kMiB, 64 * kMiB,  128 * kMiB,
      256 * kMiB, 512 * kMiB, 1 * kGiB, 4 * kGiB,  8 * kGiB,  16 * kGiB,  32 * kGiB,
      64 * kGiB,  128 * kGiB, 256 * kGiB, 512 * kGiB, 1024 * kGiB};
  static_assert(std::size(kSteps) + 2 == kTaskSizeLevels);
  if (content_length <= 0) return 0;
  const auto* const above =
      std::ranges::upper_bound(kSteps, static_cast<std::uint64_t>(content_length));
  return static_cast<std::size_t>(above - kSteps) + 1;
}

template <std::size_t kSets>
SchedulerStats::ConversationCounters::Indexed<kSets>::Indexed(prometheus::Registry& registry,
                                                              const std::string& name,
                                                              const std::string& help)
    : family_(prometheus::BuildCounter().Name(kPrefix + name).Help(help).Register(registry)) {}

template <std::size_t kSets>
template <class MakeLabels>
prometheus::Counter& SchedulerStats::ConversationCounters::Indexed<kSets>::At(
    std::size_t index, const MakeLabels& labels) {
  std::atomic<prometheus::Counter*>& slot = counters_[index];
  prometheus::Counter* counter = slot.load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Two that come at once get the same counter from the family.
    counter = &family_.Add(labels());
    slot.store(counter, std::memory_order_release);
  }
  return *counter;
}

void SchedulerStats::ConversationCounters::Count(Indexed<kPeerSets>& family,
                                                 const PeerLabels& labels) {
  const auto make = [&labels] {
    return Labels{{"priority", kPriorities[static_cast<std::size_t>(labels.priority)]},
                  {"task_type", kTasks[static_cast<std::size_t>(labels.task)]},
                  {"host_type", kHosts[HostIndex(labels.host)]}};
  };
  family.At(IndexOf(labels), make).Increment();
}

void SchedulerStats::ConversationCounters::Count(Indexed<kPieceSets>& family,
                                                 const PieceLabels& labels,
                                                 const char* traffic_label, double by) {
  const auto make = [&labels, traffic_label] {
    return Labels{{traffic_label, kTraffics[static_cast<std::size_t>(labels.traffic)]},
                  {"task_type", kTasks[static_cast<std::size_t>(labels.task)]},
                  {"host_type", kHosts[HostIndex(labels.host)]}};
  };
  family.At(IndexOf(labels), make).Increment(by);
}

SchedulerStats::ConversationCounters::ConversationCounters(MetricsPage& page, const Clock& clock,
                                                           bool host_traffic)
    : ConversationCounters(page, page.registry(), clock, host_traffic) {}

SchedulerStats::ConversationCounters::ConversationCounters(MetricsPage& page,
                                                           prometheus::Registry& registry,
                                                           const Clock& clock, bool host_traffic)
    : registered_(registry, "register_peer_total", "Counter of the number of the register peer."),
      register_failed_(registry, "register_peer_failure_total",
                       "Counter of the number of failed of the register peer."),
      started_(registry, "download_peer_started_total",
               "Counter of the number of the download peer started."),
      start_failed_(registry, "download_peer_started_failure_total",
                    "Counter of the number of failed of the download peer started."),
      source_started_(registry, "download_peer_back_to_source_started_total",
                      "Counter of the number of the download peer back-to-source started."),
      source_start_failed_(
          registry, "download_peer_back_to_source_started_failure_total",
          "Counter of the number of failed of the download peer back-to-source started."),
      ended_(registry, "download_peer_finished_total",
             "Counter of the number of the download peer."),
      failed_(registry, "download_peer_finished_failure_total",
              "Counter of the number of failed of the download peer."),
      source_failed_(registry, "download_peer_back_to_source_finished_failure_total",
                     "Counter of the number of failed of the download peer back-to-source."),
      pieces_(registry, "download_piece_finished_total",
              "Counter of the number of the download piece."),
      pieces_failed_(registry, "download_piece_finished_failure_total",
                     "Counter of the number of failed of the download piece."),
      traffic_(registry, "traffic", "Counter of the number of traffic."),
      clock_(clock),
      durations_(std::make_shared<SummaryFamily>(kPrefix + "download_peer_duration_milliseconds",
                                                 "Summary of the time each peer downloading.",
                                                 clock)),
      scheduling_(std::make_shared<SummaryFamily>(kPrefix + "schedule_duration_milliseconds",
                                                  "Summary of the time each scheduling.", clock)),
      scheduling_durations_(scheduling_->Add({})) {
  page.Add(durations_);
  page.Add(scheduling_);
  if (host_traffic) {
    host_traffic_ = std::make_unique<LabeledCounter<6>>(
        registry, kPrefix + "host_traffic", "Counter of the number of per host traffic.",
        std::array<std::string, 6>{"type", "task_type", "host_type", "host_id", "host_ip",
                                   "host_name"});
  }
}

void SchedulerStats::ConversationCounters::PeerRegistered(const PeerLabels& labels) {
  Count(registered_, labels);
}

void SchedulerStats::ConversationCounters::PeerRegisterFailed(const PeerLabels& labels) {
  Count(register_failed_, labels);
}

void SchedulerStats::ConversationCounters::PeerStarted(const PeerLabels& labels) {
  Count(started_, labels);
}

void SchedulerStats::ConversationCounters::PeerStartFailed(const PeerLabels& labels) {
  Count(start_failed_, labels);
}

void SchedulerStats::ConversationCounters::BackToSourceStarted(const PeerLabels& labels) {
  Count(source_started_, labels);
}

void SchedulerStats::ConversationCounters::BackToSourceStartFailed(const PeerLabels& labels) {
  Count(source_start_failed_, labels);
}

void SchedulerStats::ConversationCounters::PeerEnded(const PeerLabels& labels) {
  Count(ended_, labels);
}

void SchedulerStats::ConversationCounters::PeerFailed(const PeerLabels& labels) {
  Count(failed_, labels);
}

void SchedulerStats::ConversationCounters::BackToSourceFailed(const PeerLabels& labels) {
  Count(source_failed_, labels);
}

void SchedulerStats::ConversationCounters::PeerSucceeded(std::int64_t content_length,
                                                         Duration since_created) {
  const std::size_t level = TaskSizeLevel(content_length);
  std::atomic<Summary*>& slot = durations_by_level_[level];
  Summary* summary = slot.load(std::memory_order_acquire);
  if (summary == nullptr) {
    summary = &durations_->Add({{"task_size_level", std::to_string(level)}});
    slot.store(summary, std::memory_order_release);
  }
  summary->Observe(Millis(since_created), clock_.Now());
}

void SchedulerStats::ConversationCounters::PieceFinished(const PieceLabels& labels,
                                                         std::uint64_t bytes) {
  Count(pieces_, labels, "traffic_type", 1);
  Count(traffic_, labels, "type", static_cast<double>(bytes));
}

void SchedulerStats::ConversationCounters::PieceFailed(const PieceLabels& labels) {
  Count(pieces_, labels, "traffic_type", 1);
  Count(pieces_failed_, labels, "traffic_type", 1);
}

void SchedulerStats::ConversationCounters::HostBytes(HostTraffic direction, TaskKind task,
                                                     const HostInfo& host, std::uint64_t bytes) {
  if (host_traffic_ == nullptr) return;
  host_traffic_
      ->With(direction == HostTraffic::kDownload ? "download" : "upload",
             kTasks[static_cast<std::size_t>(task)], kHosts[HostIndex(host.type)], host.id.str(),
             host.ip, host.hostname)
      .Increment(static_cast<double>(bytes));
}

void SchedulerStats::ConversationCounters::Scheduled(Duration since_asked) {
  scheduling_durations_.Observe(Millis(since_asked), clock_.Now());
}

}  // namespace dragonfly::scheduler
