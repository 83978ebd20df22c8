#pragma once

#include "absl/status/status.h"
#include "common/log/logger.h"
#include "common/rpc/pb.h"
#include "common/rpc/serve.h"
#include "manager.grpc.pb.h"
#include "manager/clusters/cluster_directory.h"
#include "manager/clusters/liveness.h"
#include "manager/rpc/manager_metrics.h"

namespace dragonfly::manager {

/// manager.v2.Manager: what schedulers and dfdaemons ask. Handlers run on the directory's executor,
/// which `calls` has to give.
class ManagerService final : public pb::manager::Manager::CallbackService {
 public:
  struct Collaborators {
    rpc::Calls& calls;
    ClusterDirectory& directory;
    Liveness& liveness;
    ManagerMetrics& metrics;
    Logger log;
  };

  explicit ManagerService(Collaborators collaborators) : with_(std::move(collaborators)) {}

  grpc::ServerUnaryReactor* GetSeedPeer(grpc::CallbackServerContext* context,
                                        const pb::manager::GetSeedPeerRequest* request,
                                        pb::manager::SeedPeer* response) override;
  grpc::ServerUnaryReactor* ListSeedPeers(grpc::CallbackServerContext* context,
                                          const pb::manager::ListSeedPeersRequest* request,
                                          pb::manager::ListSeedPeersResponse* response) override;
  grpc::ServerUnaryReactor* UpdateSeedPeer(grpc::CallbackServerContext* context,
                                           const pb::manager::UpdateSeedPeerRequest* request,
                                           pb::manager::SeedPeer* response) override;
  grpc::ServerUnaryReactor* DeleteSeedPeer(grpc::CallbackServerContext* context,
                                           const pb::manager::DeleteSeedPeerRequest* request,
                                           google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* GetScheduler(grpc::CallbackServerContext* context,
                                         const pb::manager::GetSchedulerRequest* request,
                                         pb::manager::Scheduler* response) override;
  grpc::ServerUnaryReactor* UpdateScheduler(grpc::CallbackServerContext* context,
                                            const pb::manager::UpdateSchedulerRequest* request,
                                            pb::manager::Scheduler* response) override;
  grpc::ServerUnaryReactor* ListSchedulers(grpc::CallbackServerContext* context,
                                           const pb::manager::ListSchedulersRequest* request,
                                           pb::manager::ListSchedulersResponse* response) override;
  grpc::ServerUnaryReactor* ListApplications(
      grpc::CallbackServerContext* context, const pb::manager::ListApplicationsRequest* request,
      pb::manager::ListApplicationsResponse* response) override;
  grpc::ServerReadReactor<pb::manager::KeepAliveRequest>* KeepAlive(
      grpc::CallbackServerContext* context, google::protobuf::Empty* response) override;

 private:
  Awaitable<absl::Status> DoGetSeedPeer(rpc::ServerCall& call,
                                        const pb::manager::GetSeedPeerRequest& request,
                                        pb::manager::SeedPeer& response);
  Awaitable<absl::Status> DoListSeedPeers(rpc::ServerCall& call,
                                          const pb::manager::ListSeedPeersRequest& request,
                                          pb::manager::ListSeedPeersResponse& response);
  Awaitable<absl::Status> DoUpdateSeedPeer(rpc::ServerCall& call,
                                           const pb::manager::UpdateSeedPeerRequest& request,
                                           pb::manager::SeedPeer& response);
  Awaitable<absl::Status> DoDeleteSeedPeer(rpc::ServerCall& call,
                                           const pb::manager::DeleteSeedPeerRequest& request,
                                           google::protobuf::Empty& response);
  Awaitable<absl::Status> DoGetScheduler(rpc::ServerCall& call,
                                         const pb::manager::GetSchedulerRequest& request,
                                         pb::manager::Scheduler& response);
  Awaitable<absl::Status> DoUpdateScheduler(rpc::ServerCall& call,
                                            const pb::manager::UpdateSchedulerRequest& request,
                                            pb::manager::Scheduler& response);
  Awaitable<absl::Status> DoListSchedulers(rpc::ServerCall& call,
                                           const pb::manager::ListSchedulersRequest& request,
                                           pb::manager::ListSchedulersResponse& response);
  Awaitable<absl::Status> DoListApplications(rpc::ServerCall& call,
                                             const pb::manager::ListApplicationsRequest& request,
                                             pb::manager::ListApplicationsResponse& response);
  Awaitable<absl::Status> DoKeepAlive(rpc::ServerCall& call,
                                      rpc::Reader<pb::manager::KeepAliveRequest>& reader,
                                      google::protobuf::Empty& response);

  const Collaborators with_;
};

}  // namespace dragonfly::manager
