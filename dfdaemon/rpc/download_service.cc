#include "dfdaemon/rpc/download_service.h"

#include <functional>

#include "dfdaemon/rpc/download_task.h"
#include "dfdaemon/rpc/local_tasks.h"
#include "dfdaemon/rpc/sync_pieces.h"

namespace dragonfly::dfdaemon {

grpc::ServerWriteReactor<pb::dfdaemon::DownloadTaskResponse>* DownloadService::DownloadTask(
    grpc::CallbackServerContext* context, const pb::dfdaemon::DownloadTaskRequest* request) {
  return rpc::ServeWriter<pb::dfdaemon::DownloadTaskResponse>(
      deps_.calls, "/dfdaemon.v2.DfdaemonDownload/DownloadTask", context, request,
      std::bind_front(&DownloadService::DoDownloadTask, this));
}

grpc::ServerUnaryReactor* DownloadService::StatTask(grpc::CallbackServerContext* context,
                                                    const pb::dfdaemon::StatTaskRequest* request,
                                                    pb::common::Task* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonDownload/StatTask", context, request,
                         response, std::bind_front(&DownloadService::DoStatTask, this));
}

grpc::ServerUnaryReactor* DownloadService::StatLocalTask(
    grpc::CallbackServerContext* context, const pb::dfdaemon::StatLocalTaskRequest* request,
    pb::dfdaemon::StatLocalTaskResponse* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonDownload/StatLocalTask", context,
                         request, response,
                         std::bind_front(&DownloadService::DoStatLocalTask, this));
}

grpc::ServerUnaryReactor* DownloadService::ListLocalTasks(
    grpc::CallbackServerContext* context, const pb::dfdaemon::ListLocalTasksRequest* request,
    pb::dfdaemon::ListLocalTasksResponse* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonDownload/ListLocalTasks", context,
                         request, response,
                         std::bind_front(&DownloadService::DoListLocalTasks, this));
}

grpc::ServerUnaryReactor* DownloadService::DeleteTask(
    grpc::CallbackServerContext* context, const pb::dfdaemon::DeleteTaskRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonDownload/DeleteTask", context, request,
                         response, std::bind_front(&DownloadService::DoDeleteTask, this));
}

grpc::ServerUnaryReactor* DownloadService::DeleteLocalTask(
    grpc::CallbackServerContext* context, const pb::dfdaemon::DeleteLocalTaskRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonDownload/DeleteLocalTask", context,
                         request, response,
                         std::bind_front(&DownloadService::DoDeleteLocalTask, this));
}

grpc::ServerUnaryReactor* DownloadService::DeleteHost(grpc::CallbackServerContext* context,
                                                      const google::protobuf::Empty* request,
                                                      google::protobuf::Empty* response) {
  return rpc::ServeUnary(deps_.calls, "/dfdaemon.v2.DfdaemonDownload/DeleteHost", context, request,
                         response, std::bind_front(&DownloadService::DoDeleteHost, this));
}

Awaitable<absl::Status> DownloadService::DoDownloadTask(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::DownloadTaskRequest& request,
    rpc::Writer<pb::dfdaemon::DownloadTaskResponse>& writer) {
  co_return co_await ServeDownloadTask(deps_, request, writer);
}

Awaitable<absl::Status> DownloadService::DoStatTask(rpc::ServerCall& /*call*/,
                                                    const pb::dfdaemon::StatTaskRequest& request,
                                                    pb::common::Task& response) {
  co_return co_await ServeStatTask(deps_, request, response);
}

Awaitable<absl::Status> DownloadService::DoStatLocalTask(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::StatLocalTaskRequest& request,
    pb::dfdaemon::StatLocalTaskResponse& response) {
  co_return ServeStatLocalTask(deps_, request, response);
}

Awaitable<absl::Status> DownloadService::DoListLocalTasks(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::ListLocalTasksRequest& /*request*/,
    pb::dfdaemon::ListLocalTasksResponse& response) {
  co_return ServeListLocalTasks(deps_, response);
}

Awaitable<absl::Status> DownloadService::DoDeleteTask(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::DeleteTaskRequest& request,
    google::protobuf::Empty& /*response*/) {
  co_return co_await ServeDeleteTask(deps_, request);
}

Awaitable<absl::Status> DownloadService::DoDeleteLocalTask(
    rpc::ServerCall& /*call*/, const pb::dfdaemon::DeleteLocalTaskRequest& request,
    google::protobuf::Empty& /*response*/) {
  co_return co_await ServeDeleteLocalTask(deps_, request);
}

Awaitable<absl::Status> DownloadService::DoDeleteHost(rpc::ServerCall& /*call*/,
                                                      const google::protobuf::Empty& /*request*/,
                                                      google::protobuf::Empty& /*response*/) {
  co_return co_await ServeDeleteHost(deps_);
}

}  // namespace dragonfly::dfdaemon
