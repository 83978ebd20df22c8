#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/async/blocking_pool.h"
#include "common/metrics/exposition.h"
#include "dfdaemon/proxy/proxy_metrics.h"
#include "dfdaemon/rpc/rpc_metrics.h"
#include "dfdaemon/source/source_metrics.h"
#include "dfdaemon/task/task_metrics.h"
#include "dfdaemon/transfer/transfer_metrics.h"

namespace dragonfly::dfdaemon {

class Storage;

/// What this daemon counts, under the original's names (dragonfly_client_…); tests/golden has the
/// list. Folders see only the interfaces they declare. Thread-safe.
class DaemonMetrics final : public RpcMetrics,
                            public TaskMetrics,
                            public TransferMetrics,
                            public SourceMetrics,
                            public ProxyMetrics {
 public:
  DaemonMetrics();
  ~DaemonMetrics() override;

  /// Shows the disk of `storage` from now on. Both must outlive the result, whose end waits for a
  /// look at the disk that is under way.
  [[nodiscard]] std::shared_ptr<void> WatchDisk(const Storage& storage, BlockingPool& disk);
  /// The page as Prometheus scrapes it.
  [[nodiscard]] std::string Render() const { return page_.Render(); }

  void Requested(RpcOperation operation) override;
  void Failed(RpcOperation operation) override;

  void DownloadStarted(const TaskLabels& labels) override;
  void DownloadEnded(const TaskLabels& labels, const DownloadOutcome& outcome) override;
  void DownloadBlocked(TaskKind kind) override;
  void PrefetchStarted(const TaskLabels& labels) override;
  void PrefetchFailed(const TaskLabels& labels) override;
  void PieceDownloaded(TrafficType type, TaskKind kind, std::uint64_t bytes) override;

  void UploadStarted() override;
  void UploadFinished(TaskKind kind, std::uint64_t bytes) override;
  void UploadFailed(TaskKind kind) override;
  void PieceReceived(TaskKind kind, std::uint64_t bytes) override;

  void Requested(std::string_view scheme, SourceOperation operation) override;
  void Failed(std::string_view scheme, SourceOperation operation) override;
  void Took(std::string_view scheme, SourceOperation operation,
            std::chrono::nanoseconds time) override;

  void RequestReceived() override;
  void RequestFailed() override;
  void RequestBecameTask() override;

 private:
  struct Families;

  MetricsPage page_;
  const std::unique_ptr<Families> families_;
};

/// 0 for empty content, 1 below 1 MiB, … 20 from 1 TiB on: the label of duration histograms.
[[nodiscard]] int TaskSizeLevel(std::uint64_t bytes);

}  // namespace dragonfly::dfdaemon
