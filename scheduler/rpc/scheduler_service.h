#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "common/log/logger.h"
#include "common/rpc/calls.h"
#include "common/rpc/pb.h"
#include "scheduler.grpc.pb.h"
#include "scheduler/cluster/dynamic_config.h"
#include "scheduler/gc/sweeper.h"
#include "scheduler/rpc/other_kinds.h"
#include "scheduler/rpc/scheduler_metrics.h"
#include "scheduler/seeding/seed_peers.h"
#include "scheduler/selection/dispatcher.h"
#include "scheduler/selection/scheduling_metrics.h"
#include "scheduler/store/state_store.h"
#include "scheduler/swarm/host_table.h"

namespace dragonfly::scheduler {

class ReadTurns;
class Shard;

/// scheduler.v2.Scheduler for standard tasks; OtherKinds refuses the rest. Checks
/// messages by the rules of the API, turns them into events for the shard that owns the task, and
/// answers into messages.
class SchedulerService final : public OtherKinds, public SweepTarget, public StateSource {
 public:
  struct Options {
    std::uint64_t scheduler_cluster_id = 1;
    Dispatcher::Options scheduling;
  };
  /// All outlive the service, except the executors, which outlive Stop().
  struct Collaborators {
    rpc::Calls& calls;
    /// One shard each, at least one; serial.
    std::vector<asio::any_io_executor> shards;
    HostTable& hosts;
    SeedPeers& seeds;
    const DynamicConfigSource& dynamic_config;
    SchedulingMetrics& scheduling_metrics;
    SchedulerMetrics& metrics;
    const Clock& clock;
    Logger log;
  };

  /// InvalidArgument: there is no evaluator of that name.
  static absl::StatusOr<std::unique_ptr<SchedulerService>> Create(const Options& options,
                                                                  Collaborators collaborators);
  ~SchedulerService() override;

  /// Stops the shards' timers and drops what they have not looked at. After the server's Drain(),
  /// Sweeper::Stop() and SeedPeers::Stop(). Any executor.
  Awaitable<> Stop();

  // SweepTarget.
  void SweepHosts() override;
  void SweepPeers() override;
  void SweepTasks() override;

  // StateSource, with `scheduling.keep_changes`.
  Awaitable<StateChanges> TakeChanges(std::size_t budget) override;
  void ChangesLost() override;
  void Restore(StateChanges records) override;

  // Generated interface.
  using AnnounceReactor = grpc::ServerBidiReactor<pb::scheduler::AnnouncePeerRequest,
                                                  pb::scheduler::AnnouncePeerResponse>;
  AnnounceReactor* AnnouncePeer(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* StatPeer(grpc::CallbackServerContext* context,
                                     const pb::scheduler::StatPeerRequest* request,
                                     pb::common::Peer* response) override;
  grpc::ServerUnaryReactor* DeletePeer(grpc::CallbackServerContext* context,
                                       const pb::scheduler::DeletePeerRequest* request,
                                       google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* StatTask(grpc::CallbackServerContext* context,
                                     const pb::scheduler::StatTaskRequest* request,
                                     pb::common::Task* response) override;
  grpc::ServerUnaryReactor* DeleteTask(grpc::CallbackServerContext* context,
                                       const pb::scheduler::DeleteTaskRequest* request,
                                       google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* AnnounceHost(grpc::CallbackServerContext* context,
                                         const pb::scheduler::AnnounceHostRequest* request,
                                         google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ListHosts(grpc::CallbackServerContext* context,
                                      const pb::scheduler::ListHostsRequest* request,
                                      pb::scheduler::ListHostsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteHost(grpc::CallbackServerContext* context,
                                       const pb::scheduler::DeleteHostRequest* request,
                                       google::protobuf::Empty* response) override;

 private:
  SchedulerService(const Options& options, Collaborators collaborators,
                   std::unique_ptr<const Evaluator> evaluator);

  Awaitable<absl::Status> DoStatPeer(rpc::ServerCall& call,
                                     const pb::scheduler::StatPeerRequest& request,
                                     pb::common::Peer& response);
  Awaitable<absl::Status> DoDeletePeer(rpc::ServerCall& call,
                                       const pb::scheduler::DeletePeerRequest& request,
                                       google::protobuf::Empty& response);
  Awaitable<absl::Status> DoStatTask(rpc::ServerCall& call,
                                     const pb::scheduler::StatTaskRequest& request,
                                     pb::common::Task& response);
  Awaitable<absl::Status> DoDeleteTask(rpc::ServerCall& call,
                                       const pb::scheduler::DeleteTaskRequest& request,
                                       google::protobuf::Empty& response);
  Awaitable<absl::Status> DoAnnounceHost(rpc::ServerCall& call,
                                         const pb::scheduler::AnnounceHostRequest& request,
                                         google::protobuf::Empty& response);
  Awaitable<absl::Status> DoListHosts(rpc::ServerCall& call,
                                      const pb::scheduler::ListHostsRequest& request,
                                      pb::scheduler::ListHostsResponse& response);
  Awaitable<absl::Status> DoDeleteHost(rpc::ServerCall& call,
                                       const pb::scheduler::DeleteHostRequest& request,
                                       google::protobuf::Empty& response);

  [[nodiscard]] std::shared_ptr<Shard> ShardOf(const TaskId& task) const;
  /// Counts the outcome of a call and logs a failure.
  absl::Status Counted(SchedulerMetrics::Method method, absl::Status status) const;
  /// On every shard and in the seed ring.
  void Forget(const std::shared_ptr<Host>& host);

  const Options options_;
  Collaborators with_;
  std::unique_ptr<const Evaluator> evaluator_;
  std::vector<std::shared_ptr<Shard>> shards_;
  std::shared_ptr<ReadTurns> turns_;
};

}  // namespace dragonfly::scheduler
