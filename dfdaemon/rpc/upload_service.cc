#include "dfdaemon/rpc/upload_service.h"

#include <functional>

#include "dfdaemon/cluster/grpc_parent_client.h"
#include "dfdaemon/rpc/download_task.h"
#include "dfdaemon/rpc/local_tasks.h"
#include "dfdaemon/rpc/sync_pieces.h"

namespace dragonfly::dfdaemon {

grpc::ServerWriteReactor<pb::dfdaemon::DownloadTaskResponse>* UploadService::DownloadTask(
    grpc::CallbackServerContext* context, const pb::dfdaemon::DownloadTaskRequest* request) {
  return rpc::ServeWriter<pb::dfdaemon::DownloadTaskResponse>(
      deps_.calls, "/dfdaemon.v2.DfdaemonUpload/DownloadTask", context, request,
      std::bind_front(&UploadService::DoDownloadTask, this));
}

grpc::ServerUnaryReactor* UploadService::StatTask(grpc::CallbackServerContext* context,
                                                  const pb::dfdaemon::StatTaskRequest* request,
                                                  pb::common::Task* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonUpload/StatTask", context, request,
                         response, std::bind_front(&UploadService::DoStatTask, this));
}

grpc::ServerUnaryReactor* UploadService::StatLocalTask(
    grpc::CallbackServerContext* context, const pb::dfdaemon::StatLocalTaskRequest* request,
    pb::dfdaemon::StatLocalTaskResponse* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonUpload/StatLocalTask", context, request,
                         response, std::bind_front(&UploadService::DoStatLocalTask, this));
}

grpc::ServerUnaryReactor* UploadService::DeleteTask(grpc::CallbackServerContext* context,
                                                    const pb::dfdaemon::DeleteTaskRequest* request,
                                                    google::protobuf::Empty* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonUpload/DeleteTask", context, request,
                         response, std::bind_front(&UploadService::DoDeleteTask, this));
}

grpc::ServerWriteReactor<pb::dfdaemon::SyncPiecesResponse>* UploadService::SyncPieces(
    grpc::CallbackServerContext* context, const pb::dfdaemon::SyncPiecesRequest* request) {
  return rpc::ServeWriter<pb::dfdaemon::SyncPiecesResponse>(
      deps_.calls, "/dfdaemon.v2.DfdaemonUpload/SyncPieces", context, request,
      std::bind_front(&UploadService::DoSyncPieces, this));
}

grpc::ServerWriteReactor<pb::common::Host>* UploadService::SyncHost(
    grpc::CallbackServerContext* context, const pb::dfdaemon::SyncHostRequest* request) {
  return rpc::ServeWriter<pb::common::Host>(deps_.calls, "/dfdaemon.v2.DfdaemonUpload/SyncHost",
                                            context, request,
                                            std::bind_front(&UploadService::DoSyncHost, this));
}

grpc::ServerUnaryReactor* UploadService::DownloadPiece(
    grpc::CallbackServerContext* context, const pb::dfdaemon::DownloadPieceRequest* request,
    pb::dfdaemon::DownloadPieceResponse* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonUpload/DownloadPiece", context, request,
                         response, std::bind_front(&UploadService::DoDownloadPiece, this));
}

Awaitable<absl::Status> UploadService::DoDownloadTask(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::DownloadTaskRequest& request,
    rpc::Writer<pb::dfdaemon::DownloadTaskResponse>& writer) {
  co_return co_await ServeDownloadTask(deps_, request, writer);
}

Awaitable<absl::Status> UploadService::DoStatTask(rpc::ServerCall& /*call*/,
                                                  const pb::dfdaemon::StatTaskRequest& request,
                                                  pb::common::Task& response) {
  co_return co_await ServeStatTask(deps_, request, response);
}

Awaitable<absl::Status> UploadService::DoStatLocalTask(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::StatLocalTaskRequest& request,
    pb::dfdaemon::StatLocalTaskResponse& response) {
  co_return ServeStatLocalTask(deps_, request, response);
}

Awaitable<absl::Status> UploadService::DoDeleteTask(rpc::ServerCall& /*call*/,
                                                    const pb::dfdaemon::DeleteTaskRequest& request,
                                                    google::protobuf::Empty& /*response*/) {
  co_return co_await ServeDeleteTask(deps_, request);
}

Awaitable<absl::Status> UploadService::DoSyncPieces(
    rpc::ServerCall& call, const pb::dfdaemon::SyncPiecesRequest& request,
    rpc::Writer<pb::dfdaemon::SyncPiecesResponse>& writer) {
  // A daemon that stops gets no more pieces; its children had better ask others at once.
  call.EndWhenDraining();
  const bool takes_coming = !call.Metadata(kTakesComingPieces).empty();
  co_return co_await ServeSyncPieces(deps_, request, takes_coming, writer);
}

Awaitable<absl::Status> UploadService::DoSyncHost(rpc::ServerCall& call,
                                                  const pb::dfdaemon::SyncHostRequest& /*request*/,
                                                  rpc::Writer<pb::common::Host>& writer) {
  call.EndWhenDraining();
  co_return co_await ServeSyncHost(deps_, writer);
}

Awaitable<absl::Status> UploadService::DoDownloadPiece(
    rpc::ServerCall& call, const pb::dfdaemon::DownloadPieceRequest& request,
    pb::dfdaemon::DownloadPieceResponse& response) {
  co_return co_await ServeDownloadPiece(deps_, call, request, response);
}

}  // namespace dragonfly::dfdaemon
