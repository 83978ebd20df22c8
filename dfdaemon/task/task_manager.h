#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/ids/piece_math.h"
#include "common/log/logger.h"
#include "dfdaemon/cluster/scheduler_client.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/task/task_metrics.h"
#include "dfdaemon/transfer/piece_fetcher.h"

namespace dragonfly::dfdaemon {

/// Known before the first byte arrives.
struct DownloadStarted {
  PeerIdentity peer;
  std::uint64_t content_length = 0;      ///< Of the whole object.
  std::uint64_t piece_length = 0;
  std::optional<ByteRange> range;        ///< As resolved against the content length.
  HeaderList response_headers;           ///< The source's.
  std::vector<PieceSpan> pieces;         ///< What will follow, ascending.
  bool is_finished = false;              ///< The task had been finished before this call.
  /// The source was asked for this very request and admitted it. False when the task was known
  /// already or another caller asked: then nobody has seen whether this one may have the content.
  bool asked_source = false;
};

/// One caller's view of a download. Lives on the `io` executor. Several callers of one task share the
/// work; destroying this leaves without stopping the others, and the last one to leave stops it.
class Download {
 public:
  virtual ~Download() = default;
  [[nodiscard]] virtual const DownloadStarted& started() const = 0;
  /// Where the bytes are; a pin keeps them there while this object lives.
  [[nodiscard]] virtual const std::shared_ptr<StoredTask>& stored() const = 0;
  /// The next finished piece in order of completion (LOCAL_PEER ones first); nullopt once every piece
  /// of started().pieces was returned, the digest held and the output path (if any) is in place.
  /// Errors: a SourceError; DataLoss on a digest mismatch; AlreadyExists for the output path;
  /// Unavailable "download failed" when back to source is disabled; ResourceExhausted on a full disk.
  virtual Awaitable<absl::StatusOr<std::optional<PieceRecord>>> Next() = 0;
};

struct TaskManagerOptions {
  HostId host_id;
  std::string ip;
  std::string hostname;
  bool is_seed = false;
  std::uint32_t concurrent_piece_count = 8;
  std::uint32_t max_schedule_count = 5;
  std::chrono::milliseconds piece_timeout{360'000};
  std::chrono::milliseconds collected_piece_timeout{360'000};
  std::chrono::milliseconds write_piece_timeout{360'000};
  std::chrono::milliseconds schedule_timeout{3 * 3600 * 1000};
  /// Whether an operator does not want this to be downloaded; absent = never.
  std::function<bool(const DownloadRequest& request)> blocked;
  /// Waits until so many bytes may be fetched for prefetching; absent = no limit of its own.
  std::function<Awaitable<>(std::uint64_t bytes)> acquire_prefetch;
  /// Folder for contents whose length the source does not tell: they are read into a file without a
  /// name before they become a task. Empty = such contents are refused.
  std::string spool_dir;
  /// For tests that want the same order every time; absent = from the system.
  std::optional<std::uint64_t> random_seed;
  Logger log;
};

/// Turns requests into downloads: ONE driver for every kind of task. Lives on the `io` executor.
class TaskManager {
 public:
  struct Collaborators {
    asio::any_io_executor io;
    Runtime& data;          ///< Executors that move bytes.
    BlockingPool& disk;     ///< For calls that block.
    const Clock& clock;
    Storage& storage;
    Source& source;
    PieceFetcher& fetcher;
    SchedulerClient& scheduler;
    ParentClient& parents;
    TaskMetrics& metrics;
  };
  static std::unique_ptr<TaskManager> Create(TaskManagerOptions options, Collaborators with);

  virtual ~TaskManager() = default;

  /// Task id of a request; InvalidArgument when it cannot be computed.
  [[nodiscard]] virtual absl::StatusOr<TaskId> IdOf(const DownloadRequest& request) const = 0;

  /// Prepares the download: id, stat of the source unless the task is known, content file, hard
  /// link of the output path. The pieces then arrive through the result. PermissionDenied when the
  /// options say that the request is blocked.
  virtual Awaitable<absl::StatusOr<std::unique_ptr<Download>>> Start(DownloadRequest request) = 0;

  /// Removes the task from this node and tells the scheduler. NotFound.
  virtual Awaitable<absl::Status> Delete(TaskKind kind, TaskId id) = 0;

  /// Cancels every download and waits.
  virtual Awaitable<> Stop() = 0;
};

}  // namespace dragonfly::dfdaemon
