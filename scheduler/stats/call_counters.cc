#include "scheduler/stats/call_counters.h"

namespace dragonfly::scheduler {
namespace {

const std::string kPrefix = "dragonfly_scheduler_";

const std::array<std::string, 9> kAnnounceLabels = {
    "os",          "platform",   "platform_family", "platform_version", "kernel_version",
    "git_version", "git_commit", "go_version",      "build_platform"};

struct MethodText {
  SchedulerMetrics::Method method;
  const char* name;
  const char* noun;
};

using Method = SchedulerMetrics::Method;

constexpr MethodText kMethods[] = {
    {Method::kStatPeer, "stat_peer", "stat peer"},
    {Method::kDeletePeer, "leave_peer", "leaving peer"},
    {Method::kStatTask, "stat_task", "stat task"},
    {Method::kDeleteTask, "leave_task", "leaving task"},
    {Method::kListHosts, "list_hosts", "list hosts"},
    {Method::kDeleteHost, "leave_host", "leaving host"},
    {Method::kPreheatImage, "preheat_image", "preheating image"},
    {Method::kStatImage, "stat_image", "stating image"},
    {Method::kStatFile, "stat_file", "stating file"},
};

}  // namespace

SchedulerStats::CallCounters::Pair SchedulerStats::CallCounters::AddPair(
    prometheus::Registry& registry, const std::string& name, const std::string& help,
    const std::string& failure_help) {
  return {&AddCounter(registry, kPrefix + name + "_total", help),
          &AddCounter(registry, kPrefix + name + "_failure_total", failure_help)};
}

SchedulerStats::CallCounters::Pair SchedulerStats::CallCounters::AddPair(
    prometheus::Registry& registry, const std::string& name, const std::string& noun) {
  return AddPair(registry, name, "Counter of the number of the " + noun + ".",
                 "Counter of the number of failed of the " + noun + ".");
}

SchedulerStats::CallCounters::CallCounters(prometheus::Registry& registry)
    : conversations_(AddPair(registry, "announce_peer", "announcing peer")),
      open_conversations_(AddGauge(registry, kPrefix + "concurrent_schedule_total",
                                   "Gauge of the number of concurrent of the scheduling.")),
      announced_(registry, kPrefix + "announce_host_total",
                 "Counter of the number of the announce host.", kAnnounceLabels),
      announce_failed_(registry, kPrefix + "announce_host_failure_total",
                       "Counter of the number of failed of the announce host.", kAnnounceLabels) {
  for (const MethodText& text : kMethods) {
    methods_[static_cast<std::size_t>(text.method)] = AddPair(registry, text.name, text.noun);
  }
  methods_[static_cast<std::size_t>(Method::kPreheatFile)] =
      AddPair(registry, "preheat_file", "Counter of the total preheat file.",
              "Counter of the total preheat file failure.");
  // Nothing counts here, in the original neither; dashboards ask for it.
  AddPair(registry, "exchange_peer", "exchanging peer");
}

void SchedulerStats::CallCounters::Called(Method method) {
  methods_[static_cast<std::size_t>(method)].total->Increment();
}

void SchedulerStats::CallCounters::CallFailed(Method method) {
  methods_[static_cast<std::size_t>(method)].failure->Increment();
}

void SchedulerStats::CallCounters::HostAnnounced(const AnnounceLabels& l) {
  announced_
      .With(l.os, l.platform, l.platform_family, l.platform_version, l.kernel_version,
            l.git_version, l.git_commit, l.go_version, l.build_platform)
      .Increment();
}

void SchedulerStats::CallCounters::HostAnnounceFailed(const AnnounceLabels& l) {
  announce_failed_
      .With(l.os, l.platform, l.platform_family, l.platform_version, l.kernel_version,
            l.git_version, l.git_commit, l.go_version, l.build_platform)
      .Increment();
}

void SchedulerStats::CallCounters::ConversationOpened() {
  conversations_.total->Increment();
  open_conversations_.Increment();
}

void SchedulerStats::CallCounters::ConversationClosed(bool failed) {
  if (failed) conversations_.failure->Increment();
  open_conversations_.Decrement();
}

}  // namespace dragonfly::scheduler
