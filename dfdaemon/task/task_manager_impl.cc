#include "dfdaemon/task/task_manager_impl.h"

#include <utility>

#include "common/async/with_timeout.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/ids/ids.h"
#include "dfdaemon/output/output_file.h"
#include "dfdaemon/task/download_handle.h"
#include "dfdaemon/task/download_plan.h"
#include "dfdaemon/task/task_policy.h"

namespace dragonfly::dfdaemon {
namespace {

// How long Stop() leaves conversations to tell their schedulers.
constexpr auto kStopTime = std::chrono::seconds(5);

TaskLabels LabelsOf(const DownloadRequest& request) {
  TaskLabels labels;
  labels.kind = request.kind;
  labels.tag = request.tag.value_or("");
  labels.application = request.application.value_or("");
  labels.priority = request.priority;
  return labels;
}

std::optional<OutputRequest> OutputOf(const DownloadRequest& request) {
  if (!request.output_path) return std::nullopt;
  OutputRequest output;
  output.path = *request.output_path;
  output.overwrite = request.overwrite;
  output.force_hard_link = request.force_hard_link;
  output.is_range = HasRange(request);
  return output;
}

// Over all downloads; each has a limit of its own as well.
constexpr std::uint32_t kMostPiecesAtOnce = 64;

Awaitable<absl::Status> DrainGroup(TaskGroup& group) {
  co_await group.Drain();
  co_return absl::OkStatus();
}

}  // namespace

std::unique_ptr<TaskManager> TaskManager::Create(TaskManagerOptions options, Collaborators with) {
  return std::make_unique<TaskManagerImpl>(std::move(options), with);
}

TaskManagerImpl::TaskManagerImpl(TaskManagerOptions options, Collaborators with)
    : env_{std::move(options), with,      ParentBlocklist(), Downlink(kMostPiecesAtOnce),
           DigestCache(),      Random(0), TaskGroup(with.io)},
      preparation_(env_),
      blocked_log_(env_.options.log) {
  env_.random = env_.options.random_seed ? Random(*env_.options.random_seed) : Random::FromSystem();
}

absl::StatusOr<TaskId> TaskManagerImpl::IdOf(const DownloadRequest& request) const {
  return TaskIdOf(request);
}

PeerIdentity TaskManagerImpl::NewPeer(const TaskId& id) {
  return {env_.options.host_id, id,
          MakePeerId(env_.options.ip, env_.options.hostname, env_.options.is_seed, env_.random)};
}

Awaitable<absl::StatusOr<std::unique_ptr<Download>>> TaskManagerImpl::Start(
    DownloadRequest request) {
  const TaskLabels labels = LabelsOf(request);
  const SteadyTime started = env_.with.clock.Now();
  const std::string url = RedactUrl(request.url);
  TaskMetrics& metrics = env_.with.metrics;
  if (env_.options.blocked && env_.options.blocked(request)) {
    metrics.DownloadBlocked(request.kind);
    blocked_log_.Warn("download task blocked", {{"url", url}});
    co_return absl::PermissionDeniedError("download rejected by blocklist policy");
  }
  metrics.DownloadStarted(labels);
  // Also when the caller goes away while this waits.
  struct Uncounted {
    TaskMetrics& metrics;
    const TaskLabels& labels;
    DownloadOutcome outcome{DownloadOutcome::Result::kCallerLeft, 0, {}};
    bool pending = true;
    ~Uncounted() {
      if (pending) metrics.DownloadEnded(labels, outcome);
    }
  } uncounted{metrics, labels};
  auto download = co_await StartCounted(std::move(request), started);
  uncounted.pending = !download.ok();
  if (!download.ok()) {
    uncounted.outcome.result = DownloadOutcome::Result::kFailed;
    uncounted.outcome.duration = env_.with.clock.Now() - started;
    env_.options.log.Error("download task failed", {{"url", url}, {"error", download.status()}});
  }
  co_return std::move(download);
}

absl::StatusOr<TaskId> TaskManagerImpl::Check(const DownloadRequest& request) const {
  if (stopping_) return absl::UnavailableError("the daemon is stopping");
  if (!PolicyOf(request.kind).supported) {
    return absl::UnimplementedError("this kind of task is not implemented");
  }
  if (request.output_path) RETURN_IF_ERROR(ValidateOutputPath(*request.output_path));
  RETURN_IF_ERROR(RequestedDigest(request).status());
  return TaskIdOf(request);
}

Awaitable<absl::StatusOr<Caller::Wish>> TaskManagerImpl::MakeWish(DownloadRequest request,
                                                                  PreparedTask& task,
                                                                  PieceLayout layout) {
  Caller::Wish wish;
  CO_ASSIGN_OR_RETURN(wish.range, RangeOf(request, layout.content_length()));
  auto run = layout.Interested(wish.range);
  if (!run.ok()) co_return absl::FailedPreconditionError(run.status().message());
  wish.run = *run;
  if (!wish.range) {
    CO_ASSIGN_OR_RETURN(wish.digest, RequestedDigest(request));
  }
  wish.source = MakeSourceRequest(request, task.stored->spec().id, env_.options.piece_timeout);
  wish.source.etag = StrongEtag(task.stored->spec().response_headers);
  wish.source_key = SourceKey(wish.source);
  if (const auto output = OutputOf(request)) {
    auto check = [output = *output, path = task.stored->content_path()] {
      return CheckOutputBlocking(output, path);
    };
    CO_RETURN_IF_ERROR(co_await env_.with.disk.Run(std::move(check)));
  }
  wish.request = std::move(request);
  co_return wish;
}

// What is on disk may have been changed through the output path of an earlier download.
Awaitable<absl::Status> TaskManagerImpl::Inspect(TaskKind kind, TaskId id) {
  // A download that runs judges the whole at its end.
  if (drivers_.contains(Key(kind, id))) co_return absl::OkStatus();
  auto inspect = [&storage = env_.with.storage, kind, id] { return storage.Inspect(kind, id); };
  CO_ASSIGN_OR_RETURN(const bool removed, co_await env_.with.disk.Run(std::move(inspect)));
  if (removed) env_.digests.Forget(kind, id);
  co_return absl::OkStatus();
}

Awaitable<absl::StatusOr<std::unique_ptr<Download>>> TaskManagerImpl::StartCounted(
    DownloadRequest request, SteadyTime started) {
  CO_ASSIGN_OR_RETURN(const TaskId id, Check(request));
  CO_RETURN_IF_ERROR(co_await Inspect(request.kind, id));
  CO_ASSIGN_OR_RETURN(PreparedTask task, co_await preparation_.Prepare(request, id));
  const TaskSpec& spec = task.stored->spec();
  CO_ASSIGN_OR_RETURN(const PieceLayout layout,
                      PieceLayout::Create(spec.content_length, spec.piece_length));
  CO_ASSIGN_OR_RETURN(Caller::Wish wish, co_await MakeWish(std::move(request), task, layout));
  if (stopping_) co_return absl::UnavailableError("the daemon is stopping");
  if (task.stored->removed()) co_return absl::AbortedError("task was removed");
  task.stored->Touch();

  // Nothing waits from here on, so that no piece is missed between looking and joining.
  const bool was_complete = task.stored->complete() && !task.spooled;
  auto caller =
      std::make_shared<Caller>(env_.with.io, std::move(wish), *task.stored,
                               task.spooled ? Caller::Found::kJustFetched : Caller::Found::kLocal);
  std::weak_ptr<Driver> driver;
  DownloadStarted first;
  first.peer = Serve(caller, task, layout, driver);
  first.content_length = spec.content_length;
  first.piece_length = spec.piece_length;
  first.range = caller->wish().range;
  first.response_headers = spec.response_headers;
  const PieceLayout::Run run = caller->wish().run;
  first.pieces.reserve(run.count);
  for (PieceNumber i = 0; i < run.count; ++i) first.pieces.push_back(layout.At(run.first + i));
  first.is_finished = was_complete;
  first.asked_source = task.source_has_ranges.has_value();
  const DownloadRequest& wanted = caller->wish().request;
  Logger log = env_.options.log.With({{"task_id", id}, {"peer_id", first.peer.peer_id}});
  log.Info("download task started", {{"url", RedactUrl(wanted.url)},
                                     {"content_length", spec.content_length},
                                     {"pieces_here", run.count - caller->missing()},
                                     {"pieces", run.count}});
  if (wanted.prefetch && caller->wish().range) StartPrefetch(wanted, task.stored);
  const auto output = OutputOf(wanted);
  const auto labels = LabelsOf(wanted);
  co_return std::make_unique<DownloadHandle>(DownloadHandle::Parts{
      env_.with.disk, env_.with.metrics, env_.with.clock, std::move(log), labels, started,
      std::move(first), task.stored, task.pin, caller, driver, output});
}

bool TaskManagerImpl::MustBeJudged(const Caller& caller, const StoredTask& stored,
                                   const std::optional<Digest>& blob) const {
  if (!stored.complete()) return false;
  if (caller.whole() && caller.wish().digest) return true;
  if (!blob) return false;
  const auto known = env_.digests.Get(stored.spec().kind, stored.spec().id, blob->algorithm);
  return !known || !Matches(*blob, *known);
}

PeerIdentity TaskManagerImpl::Serve(const std::shared_ptr<Caller>& caller, const PreparedTask& task,
                                    const PieceLayout& layout, std::weak_ptr<Driver>& driver) {
  const TaskSpec& spec = task.stored->spec();
  const Key key(spec.kind, spec.id);
  if (const auto found = drivers_.find(key);
      found != drivers_.end() && found->second->accepting()) {
    found->second->Join(caller);
    driver = found->second;
    return found->second->peer();
  }
  const PeerIdentity peer = NewPeer(spec.id);
  const auto blob = BlobDigestOf(caller->wish().request.url);
  if (caller->missing() == 0 && !MustBeJudged(*caller, *task.stored, blob)) {
    // Others hear of it when a scheduler sent the request, and when it is new: nobody would report
    // an empty content otherwise.
    const bool is_new = !task.stored->times().finished_at;
    if (task.stored->complete() && (caller->wish().request.need_back_to_source || is_new)) {
      AnnounceLocalContent(env_, peer, ForScheduler(caller->wish().request, std::nullopt),
                           task.stored);
    }
    task.stored->MarkFinished();
    caller->End(absl::OkStatus());
    return peer;
  }
  auto created = std::make_shared<Driver>(
      env_, Driver::Start{task.stored, layout, peer, task.source_has_ranges, blob});
  created->Join(caller);
  drivers_[key] = created;
  driver = created;
  env_.background.Spawn(RunDriver(*this, key, std::move(created)));
  return peer;
}

Awaitable<> TaskManagerImpl::RunDriver(TaskManagerImpl& self, Key key,
                                       std::shared_ptr<Driver> driver) {
  co_await driver->Run();
  const auto found = self.drivers_.find(key);
  if (found != self.drivers_.end() && found->second == driver) self.drivers_.erase(found);
}

void TaskManagerImpl::StartPrefetch(const DownloadRequest& request,
                                    const std::shared_ptr<StoredTask>& stored) {
  if (stored->complete() || !stored->MarkPrefetched()) return;
  env_.background.Spawn(Prefetch(*this, ForPrefetch(request), stored));
}

Awaitable<> TaskManagerImpl::Prefetch(TaskManagerImpl& self, DownloadRequest request,
                                      std::shared_ptr<StoredTask> stored) {
  TaskMetrics& metrics = self.env_.with.metrics;
  const TaskLabels labels = LabelsOf(request);
  metrics.PrefetchStarted(labels);
  auto download = co_await self.Start(std::move(request));
  absl::Status status = download.status();
  while (status.ok()) {
    auto next = co_await (*download)->Next();
    status = next.status();
    if (status.ok() && !next->has_value()) co_return;
  }
  metrics.PrefetchFailed(labels);
  stored->ClearPrefetched();
}

Awaitable<absl::Status> TaskManagerImpl::Delete(TaskKind kind, TaskId id) {
  if (const auto found = drivers_.find(Key(kind, id)); found != drivers_.end()) {
    found->second->Cancel(absl::AbortedError("task was deleted while it was downloaded"));
  }
  env_.digests.Forget(kind, id);
  auto remove = [&storage = env_.with.storage, kind, id] { return storage.Remove(kind, id); };
  CO_RETURN_IF_ERROR(co_await env_.with.disk.Run(std::move(remove)));
  const absl::Status told = co_await env_.with.scheduler.DeleteTask(env_.options.host_id, id);
  if (!told.ok() && !absl::IsNotFound(told)) {
    env_.options.log.Warn("scheduler was not told of a deleted task",
                          {{"task_id", id}, {"error", told}});
  }
  co_return absl::OkStatus();
}

Awaitable<> TaskManagerImpl::Stop() {
  stopping_ = true;
  for (const auto& [key, driver] : drivers_) {
    driver->Cancel(absl::UnavailableError("the daemon is stopping"));
  }
  // Drivers end by themselves; what is left then waits for schedulers.
  (void)co_await WithTimeout(DrainGroup(env_.background), kStopTime, "end conversations");
  co_await env_.background.Stop();
}

}  // namespace dragonfly::dfdaemon
