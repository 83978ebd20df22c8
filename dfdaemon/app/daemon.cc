#include "dfdaemon/app/daemon.h"

#include <functional>
#include <utility>
#include <vector>

#include "common/async/task_group.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/daemon/run_blocking.h"
#include "dfdaemon/app/cluster_side.h"
#include "dfdaemon/app/core.h"
#include "dfdaemon/app/data_path.h"
#include "dfdaemon/app/options.h"
#include "dfdaemon/app/rpc_servers.h"
#include "dfdaemon/gc/garbage_collector.h"
#include "dfdaemon/proxy/proxy.h"
#include "dfdaemon/stats/admin_servers.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

// In the order of starting, so that each part is destroyed before what it uses.
struct Daemon::Parts {
  Parts(Config config, std::string dynconfig_path, Logger log)
      : core(std::move(config), std::move(dynconfig_path), std::move(log)) {}

  absl::Status Start();
  absl::Status StartServing();
  void Stop(std::chrono::milliseconds grace);
  Awaitable<> StopServing(std::chrono::milliseconds grace);

  Core core;
  std::unique_ptr<DataPath> data;
  std::unique_ptr<ClusterSide> cluster;
  std::unique_ptr<TaskManager> tasks;
  std::unique_ptr<GarbageCollector> gc;
  std::unique_ptr<RpcServers> rpc;
  std::unique_ptr<Proxy> proxy;
  bool proxy_started = false;
  std::unique_ptr<AdminServers> admin;

  /// What undoes each start, run backwards.
  std::vector<std::function<Awaitable<>(std::chrono::milliseconds grace)>> stops;
};

absl::Status Daemon::Parts::Start() {
  ASSIGN_OR_RETURN(data, DataPath::Start(core));
  stops.emplace_back([this](auto) { return data->Stop(); });

  // Announces the host, although nothing listens yet: a scheduler asks a seed's health first.
  ASSIGN_OR_RETURN(cluster, ClusterSide::Start(core));
  stops.emplace_back([this](auto) { return cluster->Stop(); });

  TaskManagerOptions options =
      TaskOptions(core.config, core.host, core.log, data->prefetch_limit());
  options.blocked = [&policy = cluster->policy()](const DownloadRequest& request) {
    return policy.Blocks(request);
  };
  tasks = TaskManager::Create(std::move(options), {.io = core.io.executor(),
                                                   .data = core.data,
                                                   .disk = core.disk,
                                                   .clock = core.clock,
                                                   .storage = data->storage(),
                                                   .source = data->source(),
                                                   .fetcher = data->fetcher(),
                                                   .scheduler = cluster->scheduler(),
                                                   .parents = cluster->parents(),
                                                   .metrics = core.metrics});
  stops.emplace_back([this](auto) { return tasks->Stop(); });

  gc = std::make_unique<GarbageCollector>(
      CollectingOptions(core.config),
      GarbageCollector::Collaborators{.executor = core.io.executor(),
                                      .disk = core.disk,
                                      .clock = core.clock,
                                      .storage = data->storage(),
                                      .log = core.log},
      [this](const GcVictim& victim) {
        if (victim.kind == TaskKind::kStandard) cluster->TellDeleted(victim.id);
      });
  gc->Start();
  stops.emplace_back([this](auto) { return gc->Stop(); });

  stops.emplace_back([this](auto grace) { return StopServing(grace); });
  stops.emplace_back([this](auto) { return cluster->Leave(); });
  return StartServing();
}

absl::Status Daemon::Parts::StartServing() {
  ASSIGN_OR_RETURN(rpc,
                   RpcServers::Start(core, {.data = *data, .cluster = *cluster, .tasks = *tasks}));
  ASSIGN_OR_RETURN(
      proxy, Proxy::Create(MakeProxyOptions(core.config, core.log), {.io = core.io.executor(),
                                                                     .data = core.data,
                                                                     .disk = core.disk,
                                                                     .clock = core.clock,
                                                                     .tasks = *tasks,
                                                                     .storage = data->storage(),
                                                                     .source = data->source(),
                                                                     .client = data->http(),
                                                                     .metrics = core.metrics}));
  RETURN_IF_ERROR(Annotate(proxy->Start(), "proxy server"));
  proxy_started = true;
  rpc->Ready();
  // Last, because who waits for /healthy means the daemon.
  ASSIGN_OR_RETURN(admin, RunBlocking(core.admin.executor(),
                                      AdminServers::Listen(AdminOptions(core.config),
                                                           core.admin.executor(), core.metrics)));
  return absl::OkStatus();
}

// All at once: callers of one must not have to wait for those of another.
Awaitable<> Daemon::Parts::StopServing(std::chrono::milliseconds grace) {
  TaskGroup group(core.io.executor());
  if (rpc) group.Spawn(rpc->Stop(grace));
  if (proxy_started) group.Spawn(proxy->Stop(grace));
  co_await group.Drain();
  if (admin) co_await admin->Stop(std::chrono::milliseconds(0));
}

void Daemon::Parts::Stop(std::chrono::milliseconds grace) {
  while (!stops.empty()) {
    RunBlocking(core.io.executor(), stops.back()(grace));
    stops.pop_back();
  }
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Daemon::~Daemon() = default;

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(Config config, std::string dynconfig_path,
                                                      Logger log) {
  std::unique_ptr<Daemon> daemon(new Daemon(
      std::make_unique<Parts>(std::move(config), std::move(dynconfig_path), std::move(log))));
  const absl::Status status = daemon->parts_->Start();
  if (status.ok()) return daemon;
  daemon->Stop(std::chrono::milliseconds(0));
  return status;
}

void Daemon::Stop(std::chrono::milliseconds grace) { parts_->Stop(grace); }

}  // namespace dragonfly::dfdaemon
