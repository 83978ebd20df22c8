#pragma once

#include "absl/status/status.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "dfdaemon.grpc.pb.h"
#include "dfdaemon/rpc/service_deps.h"
#include "dfdaemon/rpc/unimplemented.h"

namespace dragonfly::dfdaemon {

/// dfdaemon.v2.DfdaemonDownload: what programs of this host ask, over the unix socket.
/// Methods that are not declared here answer Unimplemented and say which they are.
class DownloadService final : public pb::dfdaemon::DfdaemonDownload::CallbackService {
 public:
  static constexpr char kName[] = "dfdaemon.v2.DfdaemonDownload";

  /// `deps.calls` is this service's own.
  explicit DownloadService(ServiceDeps deps) : deps_(std::move(deps)) {}

  grpc::ServerWriteReactor<pb::dfdaemon::DownloadTaskResponse>* DownloadTask(
      grpc::CallbackServerContext* context,
      const pb::dfdaemon::DownloadTaskRequest* request) override;
  grpc::ServerUnaryReactor* StatTask(grpc::CallbackServerContext* context,
                                     const pb::dfdaemon::StatTaskRequest* request,
                                     pb::common::Task* response) override;
  grpc::ServerUnaryReactor* StatLocalTask(grpc::CallbackServerContext* context,
                                          const pb::dfdaemon::StatLocalTaskRequest* request,
                                          pb::dfdaemon::StatLocalTaskResponse* response) override;
  grpc::ServerUnaryReactor* ListLocalTasks(grpc::CallbackServerContext* context,
                                           const pb::dfdaemon::ListLocalTasksRequest* request,
                                           pb::dfdaemon::ListLocalTasksResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTask(grpc::CallbackServerContext* context,
                                       const pb::dfdaemon::DeleteTaskRequest* request,
                                       google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* DeleteLocalTask(grpc::CallbackServerContext* context,
                                            const pb::dfdaemon::DeleteLocalTaskRequest* request,
                                            google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* DeleteHost(grpc::CallbackServerContext* context,
                                       const google::protobuf::Empty* request,
                                       google::protobuf::Empty* response) override;

  DF_UNIMPLEMENTED_UNARY(ListTaskEntries, pb::dfdaemon::ListTaskEntriesRequest,
                         pb::dfdaemon::ListTaskEntriesResponse)
  DF_UNIMPLEMENTED_STREAM(DownloadCacheTask, pb::dfdaemon::DownloadCacheTaskRequest,
                          pb::dfdaemon::DownloadCacheTaskResponse)
  DF_UNIMPLEMENTED_UNARY(StatCacheTask, pb::dfdaemon::StatCacheTaskRequest, pb::common::CacheTask)
  DF_UNIMPLEMENTED_UNARY(DeleteCacheTask, pb::dfdaemon::DeleteCacheTaskRequest,
                         google::protobuf::Empty)
  DF_UNIMPLEMENTED_STREAM(DownloadPersistentTask, pb::dfdaemon::DownloadPersistentTaskRequest,
                          pb::dfdaemon::DownloadPersistentTaskResponse)
  DF_UNIMPLEMENTED_UNARY(UploadPersistentTask, pb::dfdaemon::UploadPersistentTaskRequest,
                         pb::common::PersistentTask)
  DF_UNIMPLEMENTED_UNARY(StatPersistentTask, pb::dfdaemon::StatPersistentTaskRequest,
                         pb::common::PersistentTask)
  DF_UNIMPLEMENTED_UNARY(StatLocalPersistentTask, pb::dfdaemon::StatLocalPersistentTaskRequest,
                         pb::dfdaemon::StatLocalPersistentTaskResponse)
  DF_UNIMPLEMENTED_UNARY(ListLocalPersistentTasks, pb::dfdaemon::ListLocalPersistentTasksRequest,
                         pb::dfdaemon::ListLocalPersistentTasksResponse)
  DF_UNIMPLEMENTED_STREAM(DownloadPersistentCacheTask,
                          pb::dfdaemon::DownloadPersistentCacheTaskRequest,
                          pb::dfdaemon::DownloadPersistentCacheTaskResponse)
  DF_UNIMPLEMENTED_UNARY(UploadPersistentCacheTask, pb::dfdaemon::UploadPersistentCacheTaskRequest,
                         pb::common::PersistentCacheTask)
  DF_UNIMPLEMENTED_UNARY(StatPersistentCacheTask, pb::dfdaemon::StatPersistentCacheTaskRequest,
                         pb::common::PersistentCacheTask)
  DF_UNIMPLEMENTED_UNARY(StatLocalPersistentCacheTask,
                         pb::dfdaemon::StatLocalPersistentCacheTaskRequest,
                         pb::dfdaemon::StatLocalPersistentCacheTaskResponse)
  DF_UNIMPLEMENTED_UNARY(ListLocalPersistentCacheTasks,
                         pb::dfdaemon::ListLocalPersistentCacheTasksRequest,
                         pb::dfdaemon::ListLocalPersistentCacheTasksResponse)

 private:
  Awaitable<absl::Status> DoDownloadTask(rpc::ServerCall& call,
                                         const pb::dfdaemon::DownloadTaskRequest& request,
                                         rpc::Writer<pb::dfdaemon::DownloadTaskResponse>& writer);
  Awaitable<absl::Status> DoStatTask(rpc::ServerCall& call,
                                     const pb::dfdaemon::StatTaskRequest& request,
                                     pb::common::Task& response);
  Awaitable<absl::Status> DoStatLocalTask(rpc::ServerCall& call,
                                          const pb::dfdaemon::StatLocalTaskRequest& request,
                                          pb::dfdaemon::StatLocalTaskResponse& response);
  Awaitable<absl::Status> DoListLocalTasks(rpc::ServerCall& call,
                                           const pb::dfdaemon::ListLocalTasksRequest& request,
                                           pb::dfdaemon::ListLocalTasksResponse& response);
  Awaitable<absl::Status> DoDeleteTask(rpc::ServerCall& call,
                                       const pb::dfdaemon::DeleteTaskRequest& request,
                                       google::protobuf::Empty& response);
  Awaitable<absl::Status> DoDeleteLocalTask(rpc::ServerCall& call,
                                            const pb::dfdaemon::DeleteLocalTaskRequest& request,
                                            google::protobuf::Empty& response);
  Awaitable<absl::Status> DoDeleteHost(rpc::ServerCall& call,
                                       const google::protobuf::Empty& request,
                                       google::protobuf::Empty& response);

  const ServiceDeps deps_;
};

}  // namespace dragonfly::dfdaemon
