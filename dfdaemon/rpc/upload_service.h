#pragma once

#include "absl/status/status.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "dfdaemon.grpc.pb.h"
#include "dfdaemon/rpc/service_deps.h"
#include "dfdaemon/rpc/unimplemented.h"

namespace dragonfly::dfdaemon {

/// dfdaemon.v2.DfdaemonUpload: what other daemons and schedulers ask of this one, over TCP.
/// Methods that are not declared here answer Unimplemented and say which they are.
class UploadService final : public pb::dfdaemon::DfdaemonUpload::CallbackService {
 public:
  static constexpr char kName[] = "dfdaemon.v2.DfdaemonUpload";

  /// `deps.calls` is this service's own.
  explicit UploadService(ServiceDeps deps) : deps_(std::move(deps)) {}

  grpc::ServerWriteReactor<pb::dfdaemon::DownloadTaskResponse>* DownloadTask(
      grpc::CallbackServerContext* context,
      const pb::dfdaemon::DownloadTaskRequest* request) override;
  grpc::ServerUnaryReactor* StatTask(grpc::CallbackServerContext* context,
                                     const pb::dfdaemon::StatTaskRequest* request,
                                     pb::common::Task* response) override;
  grpc::ServerUnaryReactor* StatLocalTask(grpc::CallbackServerContext* context,
                                          const pb::dfdaemon::StatLocalTaskRequest* request,
                                          pb::dfdaemon::StatLocalTaskResponse* response) override;
  grpc::ServerUnaryReactor* DeleteTask(grpc::CallbackServerContext* context,
                                       const pb::dfdaemon::DeleteTaskRequest* request,
                                       google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<pb::dfdaemon::SyncPiecesResponse>* SyncPieces(
      grpc::CallbackServerContext* context,
      const pb::dfdaemon::SyncPiecesRequest* request) override;
  grpc::ServerWriteReactor<pb::common::Host>* SyncHost(
      grpc::CallbackServerContext* context, const pb::dfdaemon::SyncHostRequest* request) override;
  grpc::ServerUnaryReactor* DownloadPiece(grpc::CallbackServerContext* context,
                                          const pb::dfdaemon::DownloadPieceRequest* request,
                                          pb::dfdaemon::DownloadPieceResponse* response) override;

  DF_UNIMPLEMENTED_UNARY(ListTaskEntries, pb::dfdaemon::ListTaskEntriesRequest,
                         pb::dfdaemon::ListTaskEntriesResponse)
  DF_UNIMPLEMENTED_STREAM(DownloadCacheTask, pb::dfdaemon::DownloadCacheTaskRequest,
                          pb::dfdaemon::DownloadCacheTaskResponse)
  DF_UNIMPLEMENTED_UNARY(StatCacheTask, pb::dfdaemon::StatCacheTaskRequest, pb::common::CacheTask)
  DF_UNIMPLEMENTED_UNARY(DeleteCacheTask, pb::dfdaemon::DeleteCacheTaskRequest,
                         google::protobuf::Empty)
  DF_UNIMPLEMENTED_STREAM(SyncCachePieces, pb::dfdaemon::SyncCachePiecesRequest,
                          pb::dfdaemon::SyncCachePiecesResponse)
  DF_UNIMPLEMENTED_UNARY(DownloadCachePiece, pb::dfdaemon::DownloadCachePieceRequest,
                         pb::dfdaemon::DownloadCachePieceResponse)
  DF_UNIMPLEMENTED_STREAM(DownloadPersistentTask, pb::dfdaemon::DownloadPersistentTaskRequest,
                          pb::dfdaemon::DownloadPersistentTaskResponse)
  DF_UNIMPLEMENTED_STREAM(SyncPersistentPieces, pb::dfdaemon::SyncPersistentPiecesRequest,
                          pb::dfdaemon::SyncPersistentPiecesResponse)
  DF_UNIMPLEMENTED_UNARY(UpdatePersistentTask, pb::dfdaemon::UpdatePersistentTaskRequest,
                         google::protobuf::Empty)
  DF_UNIMPLEMENTED_UNARY(StatPersistentTask, pb::dfdaemon::StatPersistentTaskRequest,
                         pb::common::PersistentTask)
  DF_UNIMPLEMENTED_UNARY(DeletePersistentTask, pb::dfdaemon::DeletePersistentTaskRequest,
                         google::protobuf::Empty)
  DF_UNIMPLEMENTED_STREAM(DownloadPersistentCacheTask,
                          pb::dfdaemon::DownloadPersistentCacheTaskRequest,
                          pb::dfdaemon::DownloadPersistentCacheTaskResponse)
  DF_UNIMPLEMENTED_UNARY(UpdatePersistentCacheTask, pb::dfdaemon::UpdatePersistentCacheTaskRequest,
                         google::protobuf::Empty)
  DF_UNIMPLEMENTED_UNARY(StatPersistentCacheTask, pb::dfdaemon::StatPersistentCacheTaskRequest,
                         pb::common::PersistentCacheTask)
  DF_UNIMPLEMENTED_UNARY(DeletePersistentCacheTask, pb::dfdaemon::DeletePersistentCacheTaskRequest,
                         google::protobuf::Empty)
  DF_UNIMPLEMENTED_STREAM(SyncPersistentCachePieces, pb::dfdaemon::SyncPersistentCachePiecesRequest,
                          pb::dfdaemon::SyncPersistentCachePiecesResponse)
  DF_UNIMPLEMENTED_UNARY(DownloadPersistentCachePiece,
                         pb::dfdaemon::DownloadPersistentCachePieceRequest,
                         pb::dfdaemon::DownloadPersistentCachePieceResponse)
  DF_UNIMPLEMENTED_UNARY(DownloadPersistentPiece, pb::dfdaemon::DownloadPersistentPieceRequest,
                         pb::dfdaemon::DownloadPersistentPieceResponse)
  DF_UNIMPLEMENTED_UNARY(ExchangeIBVerbsQueuePairEndpoint,
                         pb::dfdaemon::ExchangeIBVerbsQueuePairEndpointRequest,
                         pb::dfdaemon::ExchangeIBVerbsQueuePairEndpointResponse)

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
  Awaitable<absl::Status> DoDeleteTask(rpc::ServerCall& call,
                                       const pb::dfdaemon::DeleteTaskRequest& request,
                                       google::protobuf::Empty& response);
  Awaitable<absl::Status> DoSyncPieces(rpc::ServerCall& call,
                                       const pb::dfdaemon::SyncPiecesRequest& request,
                                       rpc::Writer<pb::dfdaemon::SyncPiecesResponse>& writer);
  Awaitable<absl::Status> DoSyncHost(rpc::ServerCall& call,
                                     const pb::dfdaemon::SyncHostRequest& request,
                                     rpc::Writer<pb::common::Host>& writer);
  Awaitable<absl::Status> DoDownloadPiece(rpc::ServerCall& call,
                                          const pb::dfdaemon::DownloadPieceRequest& request,
                                          pb::dfdaemon::DownloadPieceResponse& response);

  const ServiceDeps deps_;
};

}  // namespace dragonfly::dfdaemon
