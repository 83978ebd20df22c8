#include "scheduler/stats/conversation_counters.h"

#include <chrono>
#include <map>

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

prometheus::Summary::Quantiles Objectives() {
  return {{0.5, 0.05}, {0.9, 0.01}, {0.95, 0.005}, {0.99, 0.001}};
}

double Millis(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

const char* TaskSizeLevel(std::int64_t content_length) {
  struct Level {
    std::uint64_t below;
    const char* name;
  };
  static constexpr Level kLevels[] = {
      {1 * kMiB, "1"},    {4 * kMiB, "2"},    {8 * kMiB, "3"},    {16 * kMiB, "4"},
      {32 * kMiB, "5"},   {64 * kMiB, "6"},   {128 * kMiB, "7"},  {256 * kMiB, "8"},
      {512 * kMiB, "9"},  {1 * kGiB, "10"},   {4 * kGiB, "11"},   {8 * kGiB, "12"},
      {16 * kGiB, "13"},  {32 * kGiB, "14"},  {64 * kGiB, "15"},  {128 * kGiB, "16"},
      {256 * kGiB, "17"}, {512 * kGiB, "18"}, {1024 * kGiB, "19"}};
  if (content_length <= 0) return "0";
  for (const Level& level : kLevels) {
    if (static_cast<std::uint64_t>(content_length) < level.below) return level.name;
  }
  return "20";
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

SchedulerStats::ConversationCounters::ConversationCounters(prometheus::Registry& registry,
                                                           bool host_traffic)
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
      durations_(prometheus::BuildSummary()
                     .Name(kPrefix + "download_peer_duration_milliseconds")
                     .Help("Summary of the time each peer downloading.")
                     .Register(registry)),
      scheduling_(prometheus::BuildSummary()
                      .Name(kPrefix + "schedule_duration_milliseconds")
                      .Help("Summary of the time each scheduling.")
                      .Register(registry)
                      .Add({}, Objectives(), std::chrono::minutes(10))) {
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
  durations_
      .Add({{"task_size_level", TaskSizeLevel(content_length)}}, Objectives(),
           std::chrono::minutes(10))
      .Observe(Millis(since_created));
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
  scheduling_.Observe(Millis(since_asked));
}

}  // namespace dragonfly::scheduler
