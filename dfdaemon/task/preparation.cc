#include "dfdaemon/task/preparation.h"

#include <utility>

#include "common/async/run_on.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/ids/piece_math.h"
#include "dfdaemon/task/download_plan.h"
#include "dfdaemon/task/piece_jobs.h"

namespace dragonfly::dfdaemon {
namespace {

// In the pool. A task on disk stays as it was cut into pieces once; when the source has another content
// under its name now, it goes.
absl::StatusOr<std::shared_ptr<StoredTask>> CreateBlocking(Storage& storage, TaskSpec spec) {
  auto created = storage.Create(spec);
  if (!absl::IsFailedPrecondition(created.status())) return created;
  if (auto present = storage.Find(spec.kind, spec.id);
      present != nullptr && present->spec().content_length == spec.content_length) {
    return present;
  }
  if (absl::Status removed = storage.Remove(spec.kind, spec.id);
      !removed.ok() && !absl::IsNotFound(removed)) {
    return removed;
  }
  return storage.Create(std::move(spec));
}

}  // namespace

std::optional<PreparedTask> Preparation::Known(TaskKind kind, const TaskId& id) const {
  PreparedTask task;
  task.stored = env_.with.storage.Find(kind, id);
  if (task.stored == nullptr) return std::nullopt;
  task.pin = task.stored->Pin();
  // Its removal may have come in between. One that failed is looked at anew: the source may have
  // another content now.
  if (task.stored->removed() || task.stored->times().failed_at) return std::nullopt;
  return task;
}

Awaitable<absl::StatusOr<PreparedTask>> Preparation::Prepare(DownloadRequest request, TaskId id) {
  if (auto known = Known(request.kind, id)) co_return *std::move(known);
  SourceRequest source = MakeSourceRequest(request, id, env_.options.piece_timeout);
  std::string key = StrCat(static_cast<int>(request.kind), id.str(), "\n", SourceKey(source));
  if (request.piece_length) key += StrCat("\n", *request.piece_length);
  auto start = [this, &request, &id, &source] {
    return AskSource(std::move(request), std::move(id), std::move(source));
  };
  co_return co_await flights_.Do(std::move(key), std::move(start));
}

Awaitable<absl::StatusOr<PreparedTask>> Preparation::AskSource(DownloadRequest request, TaskId id,
                                                               SourceRequest source) {
  const auto& with = env_.with;
  CO_ASSIGN_OR_RETURN(SourceStat stat,
                      co_await RunOn(with.data.Next(), with.source.Stat(source)));
  std::unique_ptr<SpooledContent> spooled;
  if (!stat.content_length) {
    source.etag = StrongEtag(stat.headers);
    CO_ASSIGN_OR_RETURN(spooled, co_await Spool(request, std::move(source)));
    stat.content_length = spooled->length();
  }
  TaskSpec spec;
  spec.kind = request.kind;
  spec.id = id;
  spec.content_length = *stat.content_length;
  spec.piece_length = request.piece_length.value_or(PieceLengthFor(spec.content_length));
  spec.response_headers = std::move(stat.headers);
  const std::uint64_t spec_length = spec.content_length;
  auto create = [&storage = with.storage, spec = std::move(spec)]() mutable {
    return CreateBlocking(storage, std::move(spec));
  };
  PreparedTask task;
  CO_ASSIGN_OR_RETURN(task.stored, co_await with.disk.Run(std::move(create)));
  task.pin = task.stored->Pin();
  if (task.stored->removed()) co_return absl::AbortedError("task was removed while it was created");
  task.source_has_ranges = stat.supports_ranges;
  if (spooled != nullptr) {
    task.spooled = true;
    // What an earlier content under this id hashed to says nothing of these bytes.
    env_.digests.Forget(request.kind, id);
    auto commit = [spooled = std::move(spooled), stored = task.stored, &clock = with.clock] {
      return CommitSpooledBlocking(*spooled, clock, *stored);
    };
    CO_RETURN_IF_ERROR(co_await with.disk.Run(std::move(commit)));
    with.metrics.PieceDownloaded(TrafficType::kBackToSource, request.kind, spec_length);
  }
  co_return task;
}

Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> Preparation::Spool(
    DownloadRequest request, SourceRequest source) {
  if (env_.options.spool_dir.empty()) {
    co_return absl::InternalError(
        "invalid content length: the source does not tell how long the content is");
  }
  if (request.disable_back_to_source) {
    co_return absl::UnavailableError(
        "download failed: the source does not tell how long the content is, and back to source is "
        "disabled");
  }
  auto usage = [&storage = env_.with.storage] { return storage.Usage(); };
  CO_ASSIGN_OR_RETURN(const DiskUsage disk, co_await env_.with.disk.Run(std::move(usage)));
  co_return co_await RunOn(
      env_.with.data.Next(),
      env_.with.source.Spool(std::move(source), env_.options.spool_dir, disk.available / 2));
}

}  // namespace dragonfly::dfdaemon
