#include "scheduler/rpc/scheduler_service.h"

#include <functional>
#include <utility>

#include "absl/hash/hash.h"
#include "common/async/run_on.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/rpc/bidi_call.h"
#include "common/rpc/serve.h"
#include "scheduler/rpc/messages.h"
#include "scheduler/rpc/peer_stream.h"
#include "scheduler/rpc/read_turns.h"
#include "scheduler/rpc/shard.h"
#include "scheduler/rpc/validation.h"

namespace dragonfly::scheduler {
namespace {

// Answers to one peer that it has not read: it asks at most five times.
constexpr std::size_t kResponseQueue = 16;

absl::Status NotFound(std::string_view what, std::string_view id) {
  return absl::NotFoundError(StrCat(what, " ", id, " not found"));
}

// What runs on the shard for a unary call. References are the caller's, who waits.

Awaitable<absl::Status> StatPeerOn(Shard& shard, const pb::scheduler::StatPeerRequest& request,
                                   pb::common::Peer& response) {
  const Peer* const peer =
      shard.dispatcher().FindPeer(TaskId(request.task_id()), PeerId(request.peer_id()));
  if (peer == nullptr) co_return NotFound("peer", request.peer_id());
  FillPeer(*peer, Times::Of(shard.clock()), Pieces::kInclude, response);
  co_return absl::OkStatus();
}

Awaitable<absl::Status> StatTaskOn(Shard& shard, const pb::scheduler::StatTaskRequest& request,
                                   pb::common::Task& response) {
  const Task* const task = shard.dispatcher().FindTask(TaskId(request.task_id()));
  if (task == nullptr) co_return NotFound("task", request.task_id());
  FillTask(*task, Times::Of(shard.clock()), Pieces::kInclude, response);
  co_return absl::OkStatus();
}

Awaitable<> StopTurns(ReadTurns& turns) {
  turns.Stop();
  co_return;
}

Awaitable<> TakeChangesOn(Shard& shard, std::size_t budget, StateChanges& into) {
  shard.dispatcher().TakeChanges(budget, Times::Of(shard.clock()), into);
  co_return;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SchedulerService>> SchedulerService::Create(
    const Options& options, Collaborators collaborators) {
  ASSIGN_OR_RETURN(auto evaluator, MakeEvaluator(options.scheduling.algorithm));
  DF_CHECK(!collaborators.shards.empty());
  return std::unique_ptr<SchedulerService>(
      new SchedulerService(options, std::move(collaborators), std::move(evaluator)));
}

SchedulerService::SchedulerService(const Options& options, Collaborators collaborators,
                                   std::unique_ptr<const Evaluator> evaluator)
    : options_(options), with_(std::move(collaborators)), evaluator_(std::move(evaluator)) {
  if (options_.scheduling.keep_changes) with_.hosts.KeepChanges();
  // The shard puts itself in the place of the seed trigger.
  class NoSeeds final : public SeedTrigger {
   public:
    [[nodiscard]] bool HasAvailable() const override { return false; }
    void Trigger(SeedRequest) override {}
  } none;
  for (const asio::any_io_executor& executor : with_.shards) {
    const Dispatcher::Collaborators given{with_.hosts,          none,
                                          *evaluator_,          with_.dynamic_config,
                                          with_.scheduling_metrics, with_.log};
    shards_.push_back(std::make_shared<Shard>(executor, options_.scheduling, given, with_.seeds,
                                              with_.clock));
  }
  turns_ = std::make_shared<ReadTurns>(shards_.front()->executor(), shards_.size());
}

SchedulerService::~SchedulerService() = default;

Awaitable<> SchedulerService::Stop() {
  co_await RunOn(shards_.front()->executor(), StopTurns(*turns_));
  for (const auto& shard : shards_) co_await shard->Stop();
}

std::shared_ptr<Shard> SchedulerService::ShardOf(const TaskId& task) const {
  return shards_[absl::HashOf(task) % shards_.size()];
}

absl::Status SchedulerService::Counted(SchedulerMetrics::Method method, absl::Status status) const {
  with_.metrics.Called(method);
  if (!status.ok()) with_.metrics.CallFailed(method);
  return status;
}

void SchedulerService::Forget(const std::shared_ptr<Host>& host) {
  with_.seeds.HostLeft(host->id());
  for (const auto& shard : shards_) {
    shard->Post([host](Dispatcher& dispatcher, SteadyTime now) {
      dispatcher.HostLeft(*host, now);
    });
  }
}

void SchedulerService::SweepHosts() {
  for (const auto& host : with_.hosts.RemoveSilent(with_.clock.Now())) {
    with_.log.Info("host is silent and forgotten", {{"host_id", host->id()}});
    Forget(host);
  }
}

void SchedulerService::SweepPeers() {
  for (const auto& shard : shards_) shard->SweepPeers();
}

void SchedulerService::SweepTasks() {
  for (const auto& shard : shards_) {
    shard->Post([log = with_.log](Dispatcher& dispatcher, SteadyTime) {
      const std::size_t removed = dispatcher.SweepTasks();
      if (removed > 0) log.Info("tasks without peers forgotten", {{"tasks", removed}});
    });
  }
}

Awaitable<StateChanges> SchedulerService::TakeChanges(std::size_t budget) {
  StateChanges changes;
  with_.hosts.TakeChanges(budget, changes);
  for (const auto& shard : shards_) {
    co_await RunOn(shard->executor(), TakeChangesOn(*shard, budget, changes));
  }
  co_return changes;
}

void SchedulerService::ChangesLost() {
  with_.hosts.ChangesLost();
  for (const auto& shard : shards_) {
    shard->Post([](Dispatcher& dispatcher, SteadyTime) { dispatcher.ChangesLost(); });
  }
}

void SchedulerService::Restore(StateChanges records) {
  for (HostInfo& host : records.hosts) {
    with_.hosts.Restore(host, with_.clock.Now());
    with_.seeds.HostAnnounced(host);
  }
  std::vector<StateChanges> portions(shards_.size());
  const auto portion_of = [&](const TaskId& task) -> StateChanges& {
    return portions[absl::HashOf(task) % portions.size()];
  };
  for (TaskRecord& task : records.tasks) portion_of(task.id).tasks.push_back(std::move(task));
  for (PeerRecord& peer : records.peers) portion_of(peer.task_id).peers.push_back(std::move(peer));
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    shards_[i]->Post([portion = std::move(portions[i]), &clock = with_.clock](
                         Dispatcher& dispatcher, SteadyTime) mutable {
      dispatcher.Restore(std::move(portion), Times::Of(clock));
    });
  }
}

Awaitable<absl::Status> SchedulerService::DoStatPeer(rpc::ServerCall& call,
                                                     const pb::scheduler::StatPeerRequest& request,
                                                     pb::common::Peer& response) {
  (void)call;
  absl::Status status = ValidateIds("StatPeerRequest", {{"HostId", request.host_id()},
                                                        {"TaskId", request.task_id()},
                                                        {"PeerId", request.peer_id()}});
  if (status.ok()) {
    const auto shard = ShardOf(TaskId(request.task_id()));
    status = co_await RunOn(shard->executor(), StatPeerOn(*shard, request, response));
  }
  co_return Counted(SchedulerMetrics::Method::kStatPeer, std::move(status));
}

Awaitable<absl::Status> SchedulerService::DoDeletePeer(
    rpc::ServerCall& call, const pb::scheduler::DeletePeerRequest& request,
    google::protobuf::Empty& response) {
  (void)call, (void)response;
  absl::Status status = ValidateIds("DeletePeerRequest", {{"HostId", request.host_id()},
                                                          {"TaskId", request.task_id()},
                                                          {"PeerId", request.peer_id()}});
  if (status.ok()) {
    ShardOf(TaskId(request.task_id()))
        ->Post([task = TaskId(request.task_id()), peer = PeerId(request.peer_id())](
                   Dispatcher& dispatcher, SteadyTime now) {
          dispatcher.DeletePeer(task, peer, now);
        });
  }
  co_return Counted(SchedulerMetrics::Method::kDeletePeer, std::move(status));
}

Awaitable<absl::Status> SchedulerService::DoStatTask(rpc::ServerCall& call,
                                                     const pb::scheduler::StatTaskRequest& request,
                                                     pb::common::Task& response) {
  (void)call;
  absl::Status status = ValidateIds("StatTaskRequest", {{"HostId", request.host_id()},
                                                        {"TaskId", request.task_id()}});
  if (status.ok()) {
    const auto shard = ShardOf(TaskId(request.task_id()));
    status = co_await RunOn(shard->executor(), StatTaskOn(*shard, request, response));
  }
  co_return Counted(SchedulerMetrics::Method::kStatTask, std::move(status));
}

Awaitable<absl::Status> SchedulerService::DoDeleteTask(
    rpc::ServerCall& call, const pb::scheduler::DeleteTaskRequest& request,
    google::protobuf::Empty& response) {
  (void)call, (void)response;
  absl::Status status = ValidateIds("DeleteTaskRequest", {{"HostId", request.host_id()},
                                                          {"TaskId", request.task_id()}});
  HostId host(request.host_id());
  if (status.ok() && with_.hosts.Find(host) == nullptr) {
    status = NotFound("host", request.host_id());
  }
  if (status.ok()) {
    ShardOf(TaskId(request.task_id()))
        ->Post([task = TaskId(request.task_id()), host = std::move(host)](
                   Dispatcher& dispatcher, SteadyTime now) {
          dispatcher.DeleteTask(host, task, now);
        });
  }
  co_return Counted(SchedulerMetrics::Method::kDeleteTask, std::move(status));
}

Awaitable<absl::Status> SchedulerService::DoAnnounceHost(
    rpc::ServerCall& call, const pb::scheduler::AnnounceHostRequest& request,
    google::protobuf::Empty& response) {
  (void)call, (void)response;
  const AnnounceLabels labels = LabelsOf(request.host());
  with_.metrics.HostAnnounced(labels);
  if (absl::Status status = Validate(request); !status.ok()) {
    with_.metrics.HostAnnounceFailed(labels);
    with_.log.Warn("host announcement refused", {{"host_id", request.host().id()},
                                                 {"error", status}});
    co_return status;
  }
  const std::shared_ptr<Host> known = with_.hosts.Find(HostId(request.host().id()));
  const auto previous = known == nullptr ? nullptr : known->info();
  HostInfo info = ToHostInfo(request, previous.get());
  if (known == nullptr) {
    with_.log.Info("host announced", {{"host_id", info.id},
                                      {"type", HostTypeName(info.type)},
                                      {"remote_address", SeedAddress(info)}});
  }
  const std::shared_ptr<Host> host = with_.hosts.Announce(std::move(info), with_.clock.Now());
  with_.seeds.HostAnnounced(*host->info());
  co_return absl::OkStatus();
}

Awaitable<absl::Status> SchedulerService::DoListHosts(
    rpc::ServerCall& call, const pb::scheduler::ListHostsRequest& request,
    pb::scheduler::ListHostsResponse& response) {
  (void)call;
  for (const std::shared_ptr<Host>& host : with_.hosts.All()) {
    const auto info = host->info();
    if (request.has_type()) {
      const auto wanted = static_cast<std::uint32_t>(info->type);
      // Only the two types of today can be asked for.
      if (request.type() > 1 || request.type() != wanted) continue;
    }
    FillHost(*info, options_.scheduler_cluster_id, *response.add_hosts());
  }
  co_return Counted(SchedulerMetrics::Method::kListHosts, absl::OkStatus());
}

Awaitable<absl::Status> SchedulerService::DoDeleteHost(
    rpc::ServerCall& call, const pb::scheduler::DeleteHostRequest& request,
    google::protobuf::Empty& response) {
  (void)call, (void)response;
  absl::Status status = ValidateIds("DeleteHostRequest", {{"HostId", request.host_id()}});
  if (status.ok()) {
    if (const auto host = with_.hosts.Remove(HostId(request.host_id())); host != nullptr) {
      with_.log.Info("host left", {{"host_id", host->id()}});
      Forget(host);
    } else {
      status = NotFound("host", request.host_id());
    }
  }
  co_return Counted(SchedulerMetrics::Method::kDeleteHost, std::move(status));
}

SchedulerService::AnnounceReactor* SchedulerService::AnnouncePeer(
    grpc::CallbackServerContext* context) {
  using Request = pb::scheduler::AnnouncePeerRequest;
  using Response = pb::scheduler::AnnouncePeerResponse;
  return rpc::ServeBidiCallback<Request, Response>(
      with_.calls, "/scheduler.v2.Scheduler/AnnouncePeer", context, kResponseQueue,
      [this](std::shared_ptr<PeerStream::Call> call) {
        // Clients wait 10 to 15 s for the headers, and a decision may take longer.
        call->SendInitialMetadata();
        return std::make_shared<PeerStream>(std::move(call), shards_, turns_, with_.metrics,
                                            with_.log);
      });
}

grpc::ServerUnaryReactor* SchedulerService::StatPeer(grpc::CallbackServerContext* context,
                                                     const pb::scheduler::StatPeerRequest* request,
                                                     pb::common::Peer* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/StatPeer", context, request,
                         response, std::bind_front(&SchedulerService::DoStatPeer, this));
}

grpc::ServerUnaryReactor* SchedulerService::DeletePeer(
    grpc::CallbackServerContext* context, const pb::scheduler::DeletePeerRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/DeletePeer", context, request,
                         response, std::bind_front(&SchedulerService::DoDeletePeer, this));
}

grpc::ServerUnaryReactor* SchedulerService::StatTask(grpc::CallbackServerContext* context,
                                                     const pb::scheduler::StatTaskRequest* request,
                                                     pb::common::Task* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/StatTask", context, request,
                         response, std::bind_front(&SchedulerService::DoStatTask, this));
}

grpc::ServerUnaryReactor* SchedulerService::DeleteTask(
    grpc::CallbackServerContext* context, const pb::scheduler::DeleteTaskRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/DeleteTask", context, request,
                         response, std::bind_front(&SchedulerService::DoDeleteTask, this));
}

grpc::ServerUnaryReactor* SchedulerService::AnnounceHost(
    grpc::CallbackServerContext* context, const pb::scheduler::AnnounceHostRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/AnnounceHost", context, request,
                         response, std::bind_front(&SchedulerService::DoAnnounceHost, this));
}

grpc::ServerUnaryReactor* SchedulerService::ListHosts(
    grpc::CallbackServerContext* context, const pb::scheduler::ListHostsRequest* request,
    pb::scheduler::ListHostsResponse* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/ListHosts", context, request,
                         response, std::bind_front(&SchedulerService::DoListHosts, this));
}

grpc::ServerUnaryReactor* SchedulerService::DeleteHost(
    grpc::CallbackServerContext* context, const pb::scheduler::DeleteHostRequest* request,
    google::protobuf::Empty* response) {
  return rpc::ServeUnary(with_.calls, "/scheduler.v2.Scheduler/DeleteHost", context, request,
                         response, std::bind_front(&SchedulerService::DoDeleteHost, this));
}

}  // namespace dragonfly::scheduler
