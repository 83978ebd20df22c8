#include "dfdaemon/stats/daemon_metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include "common/base/strings.h"
#include "common/metrics/labeled.h"
#include "common/version/version.h"
#include "dfdaemon/stats/disk_gauges.h"

namespace dragonfly::dfdaemon {
namespace {

std::string Name(std::string_view name) { return StrCat("dragonfly_client_", name); }

std::string Number(auto value) { return StrCat(static_cast<int>(value)); }

std::string_view TrafficName(TrafficType type) {
  switch (type) {
    case TrafficType::kBackToSource:
      return "BACK_TO_SOURCE";
    case TrafficType::kRemotePeer:
      return "REMOTE_PEER";
    case TrafficType::kLocalPeer:
      return "LOCAL_PEER";
  }
  return "";
}

std::string_view MethodName(SourceOperation operation) {
  switch (operation) {
    case SourceOperation::kStat:
      return "HEAD";
    case SourceOperation::kGet:
      return "GET";
    case SourceOperation::kPut:
      return "PUT";
  }
  return "";
}

double Millis(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// 1, 2, 4, … 2^23 ms.
prometheus::Histogram::BucketBoundaries MillisBuckets() {
  prometheus::Histogram::BucketBoundaries buckets;
  for (int power = 0; power < 24; ++power) buckets.push_back(static_cast<double>(1ULL << power));
  return buckets;
}

// A request counter and its failures.
template <std::size_t N>
struct Outcomes {
  Outcomes(prometheus::Registry& registry, const std::string& name, const std::string& what,
           typename LabeledCounter<N>::Names labels)
      : total(registry, Name(name + "_total"), StrCat("Counter of ", what, "."), labels),
        failures(registry, Name(name + "_failure_total"), StrCat("Counter of failed ", what, "."),
                 labels) {}
  LabeledCounter<N> total;
  LabeledCounter<N> failures;
};

using TaskLabelNames = std::array<std::string, 4>;
const TaskLabelNames kTaskLabels = {"type", "tag", "app", "priority"};

template <class Metric>
Metric& Of(Labeled<Metric, 4>& family, const TaskLabels& labels) {
  return family.With(Number(labels.kind), labels.tag, labels.application, Number(labels.priority));
}

}  // namespace

struct DaemonMetrics::Families {
  explicit Families(prometheus::Registry& r)
      : version(r, Name("version"), "1, with what this build is.",
                {"git_version", "git_commit", "platform", "build_time"}),
        downloads(r, "download_task", "downloads asked for", kTaskLabels),
        blocked(r, Name("download_task_blocked_total"),
                "Counter of downloads that an operator blocks.", {"type"}),
        prefetches(r, "prefetch_task", "prefetches begun", kTaskLabels),
        running(r, Name("concurrent_download_task_total"), "Gauge of downloads that run.",
                kTaskLabels),
        duration(r, Name("download_task_duration_milliseconds"),
                 "Histogram of the milliseconds of downloads that succeeded.",
                 {"task_type", "task_size_level"}, MillisBuckets()),
        download_traffic(r, Name("download_traffic"),
                         "Counter of the bytes of pieces, by where they came from.",
                         {"type", "task_type"}),
        upload_traffic(r, Name("upload_traffic"), "Counter of the bytes of pieces given to peers.",
                       {"task_type"}),
        uploads(AddGauge(r, Name("concurrent_upload_piece_total"),
                         "Gauge of pieces that are being given to peers.")),
        backend(r, "backend_request", "requests to sources", {"scheme", "method"}),
        backend_duration(r, Name("backend_request_duration_milliseconds"),
                         "Histogram of the milliseconds of requests to sources.",
                         {"scheme", "method"}, MillisBuckets()),
        proxy_requests(AddCounter(r, Name("proxy_request_total"), "Counter of proxy requests.")),
        proxy_failures(AddCounter(r, Name("proxy_request_failure_total"),
                                  "Counter of failed proxy requests.")),
        proxy_tasks(AddCounter(r, Name("proxy_request_via_dfdaemon_total"),
                               "Counter of proxy requests that became a task.")),
        update_task(r, "update_task", "calls to update a task", {"type"}),
        stat_task(r, "stat_task", "calls to describe a task of the cluster", {"type"}),
        stat_local_task(r, "stat_local_task", "calls to describe a task of this host", {"type"}),
        list_entries(r, "list_task_entries", "calls to list a directory", {"type"}),
        delete_task(r, "delete_task", "calls to delete a task", {"type"}),
        delete_local_task(r, "delete_local_task", "calls to delete a task of this host", {"type"}),
        list_local(r, Name("list_local_tasks_total"), "Counter of calls to list tasks.", {"type"}),
        // The name is the original's, which the dashboards have.
        list_local_failures(r, Name("list_tasks_failure_total"),
                            "Counter of failed calls to list tasks.", {"type"}),
        delete_host(AddCounter(r, Name("delete_host_total"), "Counter of calls to leave.")),
        delete_host_failures(
            AddCounter(r, Name("delete_host_failure_total"), "Counter of failed calls to leave.")) {
    const Version& build = BuildVersion();
    version.With(build.semver, build.commit, build.platform, build.commit_date).Set(1);
  }

  LabeledGauge<4> version;
  Outcomes<4> downloads;
  LabeledCounter<1> blocked;
  Outcomes<4> prefetches;
  LabeledGauge<4> running;
  LabeledHistogram<2> duration;
  LabeledCounter<2> download_traffic;
  LabeledCounter<1> upload_traffic;
  prometheus::Gauge& uploads;
  Outcomes<2> backend;
  LabeledHistogram<2> backend_duration;
  prometheus::Counter& proxy_requests;
  prometheus::Counter& proxy_failures;
  prometheus::Counter& proxy_tasks;
  Outcomes<1> update_task;
  Outcomes<1> stat_task;
  Outcomes<1> stat_local_task;
  Outcomes<1> list_entries;
  Outcomes<1> delete_task;
  Outcomes<1> delete_local_task;
  LabeledCounter<1> list_local;
  LabeledCounter<1> list_local_failures;
  prometheus::Counter& delete_host;
  prometheus::Counter& delete_host_failures;

  enum class Which : std::uint8_t { kTotal, kFailures };
  prometheus::Counter& Of(RpcOperation operation, Which which) {
    const std::string standard = Number(TaskKind::kStandard);
    const auto pick = [&](Outcomes<1>& outcomes) -> prometheus::Counter& {
      return (which == Which::kTotal ? outcomes.total : outcomes.failures).With(standard);
    };
    switch (operation) {
      case RpcOperation::kStatTask:
        return pick(stat_task);
      case RpcOperation::kStatLocalTask:
        return pick(stat_local_task);
      case RpcOperation::kListTaskEntries:
        return pick(list_entries);
      case RpcOperation::kDeleteTask:
        return pick(delete_task);
      case RpcOperation::kDeleteLocalTask:
        return pick(delete_local_task);
      case RpcOperation::kListLocalTasks:
        return (which == Which::kTotal ? list_local : list_local_failures).With(standard);
      case RpcOperation::kDeleteHost:
        break;
    }
    return which == Which::kTotal ? delete_host : delete_host_failures;
  }
};

DaemonMetrics::DaemonMetrics() : families_(std::make_unique<Families>(page_.registry())) {}
DaemonMetrics::~DaemonMetrics() = default;

std::shared_ptr<void> DaemonMetrics::WatchDisk(const Storage& storage, BlockingPool& disk) {
  const auto gauges = std::make_shared<DiskGauges>(storage, disk, Name("disk_space_total"),
                                                   Name("disk_usage_space_total"));
  page_.Add(gauges);
  return {gauges.get(), [gauges](void*) { gauges->Close(); }};
}

void DaemonMetrics::Requested(RpcOperation operation) {
  families_->Of(operation, Families::Which::kTotal).Increment();
}
void DaemonMetrics::Failed(RpcOperation operation) {
  families_->Of(operation, Families::Which::kFailures).Increment();
}

void DaemonMetrics::DownloadStarted(const TaskLabels& labels) {
  Of(families_->downloads.total, labels).Increment();
  Of(families_->running, labels).Increment();
}

void DaemonMetrics::DownloadEnded(const TaskLabels& labels, const DownloadOutcome& outcome) {
  Of(families_->running, labels).Decrement();
  if (outcome.result == DownloadOutcome::Result::kFailed) {
    Of(families_->downloads.failures, labels).Increment();
  } else if (outcome.result == DownloadOutcome::Result::kSucceeded) {
    families_->duration.With(Number(labels.kind), StrCat(TaskSizeLevel(outcome.bytes)))
        .Observe(Millis(outcome.duration));
  }
}

void DaemonMetrics::DownloadBlocked(TaskKind kind) {
  families_->blocked.With(Number(kind)).Increment();
}

void DaemonMetrics::PrefetchStarted(const TaskLabels& labels) {
  Of(families_->prefetches.total, labels).Increment();
}
void DaemonMetrics::PrefetchFailed(const TaskLabels& labels) {
  Of(families_->prefetches.failures, labels).Increment();
}

void DaemonMetrics::PieceDownloaded(TrafficType type, TaskKind kind, std::uint64_t bytes) {
  families_->download_traffic.With(TrafficName(type), Number(kind))
      .Increment(static_cast<double>(bytes));
}

void DaemonMetrics::UploadStarted() { families_->uploads.Increment(); }
void DaemonMetrics::UploadFinished(TaskKind kind, std::uint64_t bytes) {
  families_->uploads.Decrement();
  families_->upload_traffic.With(Number(kind)).Increment(static_cast<double>(bytes));
}
void DaemonMetrics::UploadFailed(TaskKind /*kind*/) { families_->uploads.Decrement(); }
// Counted as download traffic where the piece is committed.
void DaemonMetrics::PieceReceived(TaskKind /*kind*/, std::uint64_t /*bytes*/) {}

void DaemonMetrics::Requested(std::string_view scheme, SourceOperation operation) {
  families_->backend.total.With(scheme, MethodName(operation)).Increment();
}
void DaemonMetrics::Failed(std::string_view scheme, SourceOperation operation) {
  families_->backend.failures.With(scheme, MethodName(operation)).Increment();
}
void DaemonMetrics::Took(std::string_view scheme, SourceOperation operation,
                         std::chrono::nanoseconds time) {
  families_->backend_duration.With(scheme, MethodName(operation)).Observe(Millis(time));
}

void DaemonMetrics::RequestReceived() { families_->proxy_requests.Increment(); }
void DaemonMetrics::RequestFailed() { families_->proxy_failures.Increment(); }
void DaemonMetrics::RequestBecameTask() { families_->proxy_tasks.Increment(); }

int TaskSizeLevel(std::uint64_t bytes) {
  static constexpr std::uint64_t kTiB = 1024 * kGiB;
  static constexpr std::array<std::uint64_t, 19> kUpperBounds = {
      1 * kMiB,   4 * kMiB,   8 * kMiB,   16 * kMiB,  32 * kMiB, 64 * kMiB, 128 * kMiB,
      256 * kMiB, 512 * kMiB, 1 * kGiB,   4 * kGiB,   8 * kGiB,  16 * kGiB, 32 * kGiB,
      64 * kGiB,  128 * kGiB, 256 * kGiB, 512 * kGiB, kTiB};
  if (bytes == 0) return 0;
  const auto* bound = std::upper_bound(kUpperBounds.begin(), kUpperBounds.end(), bytes);
  return static_cast<int>(bound - kUpperBounds.begin()) + 1;
}

}  // namespace dragonfly::dfdaemon
