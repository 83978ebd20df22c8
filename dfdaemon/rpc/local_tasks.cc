#include "dfdaemon/rpc/local_tasks.h"

#include <memory>
#include <string>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"
#include "dfdaemon/cluster/conversions.h"
#include "dfdaemon/rpc/download_task.h"

namespace dragonfly::dfdaemon {
namespace {

// Counts a call, and its failure unless Succeed() was called.
class Counted {
 public:
  Counted(RpcMetrics& metrics, RpcOperation operation) : metrics_(metrics), operation_(operation) {
    metrics_.Requested(operation_);
  }
  ~Counted() {
    if (!succeeded_) metrics_.Failed(operation_);
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  absl::Status Result(absl::Status status) {
    succeeded_ = status.ok();
    return status;
  }

 private:
  RpcMetrics& metrics_;
  const RpcOperation operation_;
  bool succeeded_ = false;
};

void Describe(const StoredTask& task, pb::dfdaemon::StatLocalTaskResponse& out) {
  const TaskSpec& spec = task.spec();
  out.set_task_id(spec.id.str());
  out.set_piece_length(spec.piece_length);
  out.set_content_length(spec.content_length);
  for (const auto& [name, value] : spec.response_headers) {
    (*out.mutable_response_header())[name] = value;
  }
  const TaskTimes times = task.times();
  ToProto(times.created_at, *out.mutable_created_at());
  ToProto(times.updated_at, *out.mutable_updated_at());
  if (times.prefetched_at) ToProto(*times.prefetched_at, *out.mutable_prefetched_at());
  if (times.failed_at) ToProto(*times.failed_at, *out.mutable_failed_at());
  if (times.finished_at) ToProto(*times.finished_at, *out.mutable_finished_at());
}

}  // namespace

Awaitable<absl::Status> ServeStatTask(const ServiceDeps& deps,
                                      const pb::dfdaemon::StatTaskRequest& request,
                                      pb::common::Task& response) {
  Counted counted(deps.metrics, RpcOperation::kStatTask);
  auto task = co_await deps.schedulers.StatTask(TaskId(request.task_id()));
  if (!task.ok()) {
    co_return counted.Result(absl::InternalError(StrCat("stat task: ", task.status().message())));
  }
  response = *std::move(task);
  co_return counted.Result(absl::OkStatus());
}

absl::Status ServeStatLocalTask(const ServiceDeps& deps,
                                const pb::dfdaemon::StatLocalTaskRequest& request,
                                pb::dfdaemon::StatLocalTaskResponse& response) {
  Counted counted(deps.metrics, RpcOperation::kStatLocalTask);
  const auto task = deps.storage.Find(TaskKind::kStandard, TaskId(request.task_id()));
  if (task == nullptr || task->removed()) {
    return counted.Result(absl::NotFoundError(StrCat("local task not found: ", request.task_id())));
  }
  Describe(*task, response);
  return counted.Result(absl::OkStatus());
}

absl::Status ServeListLocalTasks(const ServiceDeps& deps,
                                 pb::dfdaemon::ListLocalTasksResponse& response) {
  Counted counted(deps.metrics, RpcOperation::kListLocalTasks);
  for (const auto& task : deps.storage.List()) {
    if (task->spec().kind == TaskKind::kStandard) Describe(*task, *response.add_tasks());
  }
  return counted.Result(absl::OkStatus());
}

Awaitable<absl::Status> ServeDeleteTask(const ServiceDeps& deps,
                                        const pb::dfdaemon::DeleteTaskRequest& request) {
  Counted counted(deps.metrics, RpcOperation::kDeleteTask);
  const absl::Status status =
      co_await deps.tasks.Delete(TaskKind::kStandard, TaskId(request.task_id()));
  if (absl::IsNotFound(status)) {
    co_return counted.Result(absl::InternalError(StrCat("task ", request.task_id(), " not found")));
  }
  co_return counted.Result(status);
}

Awaitable<absl::Status> ServeDeleteLocalTask(const ServiceDeps& deps,
                                             const pb::dfdaemon::DeleteLocalTaskRequest& request) {
  Counted counted(deps.metrics, RpcOperation::kDeleteLocalTask);
  auto remove = [&storage = deps.storage, id = TaskId(request.task_id())] {
    return storage.Remove(TaskKind::kStandard, id);
  };
  const absl::Status status = co_await deps.disk.Run(std::move(remove));
  if (absl::IsNotFound(status)) {
    co_return counted.Result(absl::NotFoundError(StrCat("task not found: ", request.task_id())));
  }
  co_return counted.Result(status);
}

Awaitable<absl::Status> ServeDeleteHost(const ServiceDeps& deps) {
  Counted counted(deps.metrics, RpcOperation::kDeleteHost);
  co_return counted.Result(co_await deps.schedulers.DeleteHost());
}

Awaitable<absl::Status> ServeDownloadPiece(const ServiceDeps& deps, rpc::ServerCall& call,
                                           const pb::dfdaemon::DownloadPieceRequest& request,
                                           pb::dfdaemon::DownloadPieceResponse& response) {
  const auto task = deps.storage.Find(TaskKind::kStandard, TaskId(request.task_id()));
  const auto record = task == nullptr ? std::nullopt : task->Piece(request.piece_number());
  if (!record) co_return absl::NotFoundError("piece metadata not found");
  const auto pin = task->Pin();
  if (deps.acquire_upload) co_await deps.acquire_upload(record->length);
  auto share = co_await deps.content.Take(record->length);
  if (!share.ok()) co_return share.status();
  call.KeepUntilEnded(*std::move(share));
  auto read = [task, number = record->number, offset = record->offset,
               length = record->length]() -> absl::StatusOr<std::string> {
    // Damaged bytes are dropped here, as for children that use Vortex.
    if (!task->Intact()) RETURN_IF_ERROR(task->VerifyPiece(number));
    return ReadFileRegion(task->content_fd(), offset, length);
  };
  auto content = co_await deps.disk.Run(std::move(read));
  if (absl::IsDataLoss(content.status())) co_return absl::NotFoundError("piece metadata not found");
  if (!content.ok()) co_return content.status();
  auto& piece = *response.mutable_piece();
  ToProto(*record, piece);
  piece.set_content(*std::move(content));
  piece.set_traffic_type(pb::common::REMOTE_PEER);
  response.set_digest(
      PieceMetadataDigest(record->number, record->offset, record->length, piece.digest()));
  task->Touch();
  co_return absl::OkStatus();
}

}  // namespace dragonfly::dfdaemon
