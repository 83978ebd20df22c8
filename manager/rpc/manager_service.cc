#include "manager/rpc/manager_service.h"

#include <functional>
#include <utility>

#include "common/base/status_macros.h"
#include "manager/rpc/conversions.h"
#include "manager/rpc/validation.h"

namespace dragonfly::manager {
namespace {

// Daemons see these; Go's manager has the same.
constexpr char kRecordNotFound[] = "record not found";
constexpr char kApplicationNotFound[] = "application not found";

Liveness::Kind KindOf(pb::manager::SourceType type) {
  return type == pb::manager::SEED_PEER_SOURCE ? Liveness::Kind::kSeedPeer
                                               : Liveness::Kind::kScheduler;
}

}  // namespace

grpc::ServerUnaryReactor* ManagerService::GetSeedPeer(
    grpc::CallbackServerContext* context, const pb::manager::GetSeedPeerRequest* request,
    pb::manager::SeedPeer* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/GetSeedPeer", context, request, response,
                         std::bind_front(&ManagerService::DoGetSeedPeer, this));
}

grpc::ServerUnaryReactor* ManagerService::ListSeedPeers(
    grpc::CallbackServerContext* context, const pb::manager::ListSeedPeersRequest* request,
    pb::manager::ListSeedPeersResponse* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/ListSeedPeers", context, request,
                         response, std::bind_front(&ManagerService::DoListSeedPeers, this));
}

grpc::ServerUnaryReactor* ManagerService::UpdateSeedPeer(
    grpc::CallbackServerContext* context, const pb::manager::UpdateSeedPeerRequest* request,
    pb::manager::SeedPeer* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/UpdateSeedPeer", context, request,
                         response, std::bind_front(&ManagerService::DoUpdateSeedPeer, this));
}

grpc::ServerUnaryReactor* ManagerService::DeleteSeedPeer(
    grpc::CallbackServerContext* context, const pb::manager::DeleteSeedPeerRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/DeleteSeedPeer", context, request,
                         response, std::bind_front(&ManagerService::DoDeleteSeedPeer, this));
}

grpc::ServerUnaryReactor* ManagerService::GetScheduler(
    grpc::CallbackServerContext* context, const pb::manager::GetSchedulerRequest* request,
    pb::manager::Scheduler* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/GetScheduler", context, request,
                         response, std::bind_front(&ManagerService::DoGetScheduler, this));
}

grpc::ServerUnaryReactor* ManagerService::UpdateScheduler(
    grpc::CallbackServerContext* context, const pb::manager::UpdateSchedulerRequest* request,
    pb::manager::Scheduler* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/UpdateScheduler", context, request,
                         response, std::bind_front(&ManagerService::DoUpdateScheduler, this));
}

grpc::ServerUnaryReactor* ManagerService::ListSchedulers(
    grpc::CallbackServerContext* context, const pb::manager::ListSchedulersRequest* request,
    pb::manager::ListSchedulersResponse* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/ListSchedulers", context, request,
                         response, std::bind_front(&ManagerService::DoListSchedulers, this));
}

grpc::ServerUnaryReactor* ManagerService::ListApplications(
    grpc::CallbackServerContext* context, const pb::manager::ListApplicationsRequest* request,
    pb::manager::ListApplicationsResponse* response) {
  return rpc::ServeUnary(with_.calls, "/manager.v2.Manager/ListApplications", context, request,
                         response, std::bind_front(&ManagerService::DoListApplications, this));
}

grpc::ServerReadReactor<pb::manager::KeepAliveRequest>* ManagerService::KeepAlive(
    grpc::CallbackServerContext* context, google::protobuf::Empty* response) {
  return rpc::ServeReader<pb::manager::KeepAliveRequest>(
      with_.calls, "/manager.v2.Manager/KeepAlive", context, response,
      std::bind_front(&ManagerService::DoKeepAlive, this));
}

Awaitable<absl::Status> ManagerService::DoGetSeedPeer(
    rpc::ServerCall&, const pb::manager::GetSeedPeerRequest& request,
    pb::manager::SeedPeer& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await with_.directory.Snapshot());
  const SeedPeer* row =
      snapshot->FindSeedPeer({request.hostname(), request.ip(), request.seed_peer_cluster_id()});
  if (row == nullptr) co_return absl::NotFoundError(kRecordNotFound);
  ToProto(*row, response);
  if (const auto* cluster = snapshot->FindSeedPeerCluster(row->seed_peer_cluster_id)) {
    ToProto(*cluster, *response.mutable_seed_peer_cluster());
  }
  for (const Scheduler* scheduler : snapshot->SchedulersFor(row->seed_peer_cluster_id)) {
    ToProto(*scheduler, *response.add_schedulers());
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoListSeedPeers(
    rpc::ServerCall&, const pb::manager::ListSeedPeersRequest& request,
    pb::manager::ListSeedPeersResponse& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await with_.directory.Snapshot());
  const SeedPeer* own = snapshot->FindSeedPeerOfHost(request.hostname(), request.ip());
  if (own == nullptr) co_return absl::NotFoundError(kRecordNotFound);
  const auto peers = snapshot->ActiveSeedPeersOf(own->seed_peer_cluster_id);
  if (peers.empty()) co_return absl::NotFoundError("seed peer not found");
  for (const SeedPeer* peer : peers) {
    auto& out = *response.add_seed_peers();
    ToProto(*peer, out);
    if (const auto* cluster = snapshot->FindSeedPeerCluster(peer->seed_peer_cluster_id)) {
      ToProto(*cluster, *out.mutable_seed_peer_cluster());
    }
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoUpdateSeedPeer(
    rpc::ServerCall&, const pb::manager::UpdateSeedPeerRequest& request,
    pb::manager::SeedPeer& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  CO_ASSIGN_OR_RETURN(const SeedPeer row, co_await with_.directory.Register(FromProto(request)));
  ToProto(row, response);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoDeleteSeedPeer(
    rpc::ServerCall&, const pb::manager::DeleteSeedPeerRequest& request, google::protobuf::Empty&) {
  CO_RETURN_IF_ERROR(Validate(request));
  co_return co_await with_.directory.DeleteSeedPeer(
      {request.hostname(), request.ip(), request.seed_peer_cluster_id()});
}

Awaitable<absl::Status> ManagerService::DoGetScheduler(
    rpc::ServerCall&, const pb::manager::GetSchedulerRequest& request,
    pb::manager::Scheduler& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await with_.directory.Snapshot());
  const Scheduler* row =
      snapshot->FindScheduler({request.hostname(), request.ip(), request.scheduler_cluster_id()});
  if (row == nullptr) co_return absl::NotFoundError(kRecordNotFound);
  ToProto(*snapshot, *row, response);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoUpdateScheduler(
    rpc::ServerCall&, const pb::manager::UpdateSchedulerRequest& request,
    pb::manager::Scheduler& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  CO_ASSIGN_OR_RETURN(SchedulerRegistration registration, FromProto(request));
  CO_ASSIGN_OR_RETURN(const Scheduler row,
                      co_await with_.directory.Register(std::move(registration)));
  ToProto(row, response);
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await with_.directory.Snapshot());
  if (snapshot->FindSchedulerCluster(row.scheduler_cluster_id) == nullptr) {
    with_.log.Warn("scheduler registered for a cluster that does not exist",
                   {{"hostname", row.host_name}, {"cluster_id", row.scheduler_cluster_id}});
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoListSchedulers(
    rpc::ServerCall&, const pb::manager::ListSchedulersRequest& request,
    pb::manager::ListSchedulersResponse& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  with_.metrics.SearchedSchedulerClusters(request.version(), request.commit());
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await with_.directory.Snapshot());
  if (request.scheduler_cluster_id() != 0) {
    for (const Scheduler* row : snapshot->SchedulersOf(request.scheduler_cluster_id())) {
      ToProto(*snapshot, *row, *response.add_schedulers());
    }
    co_return absl::OkStatus();
  }
  const ClusterSnapshot::SearchResult found = snapshot->Search(QueryOf(request));
  if (found.fell_back) with_.metrics.SearchFailed(request.version(), request.commit());
  for (const Scheduler* row : found.schedulers) {
    ToProto(*snapshot, *row, *response.add_schedulers());
  }
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoListApplications(
    rpc::ServerCall&, const pb::manager::ListApplicationsRequest& request,
    pb::manager::ListApplicationsResponse& response) {
  CO_RETURN_IF_ERROR(Validate(request));
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await with_.directory.Snapshot());
  for (const Application& row : snapshot->topology().applications) {
    if (row.priority_json != "null" && !row.priority_json.empty()) {
      ToProto(row, *response.add_applications());
    }
  }
  if (response.applications().empty()) co_return absl::NotFoundError(kApplicationNotFound);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> ManagerService::DoKeepAlive(
    rpc::ServerCall& call, rpc::Reader<pb::manager::KeepAliveRequest>& reader,
    google::protobuf::Empty&) {
  call.EndWhenDraining();
  std::optional<Liveness::Session> session;
  while (true) {
    const std::optional<pb::manager::KeepAliveRequest> message = co_await reader.Read();
    if (!message.has_value()) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(Validate(*message));
    // Normal peers may call, but nobody keeps track of them here.
    if (message->source_type() == pb::manager::PEER_SOURCE) continue;
    // The first message says who this is; later ones only that it lives.
    if (!session.has_value()) {
      session.emplace(with_.liveness, KindOf(message->source_type()), KeyOf(*message));
    }
    CO_RETURN_IF_ERROR(co_await session->Beat());
  }
}

}  // namespace dragonfly::manager
