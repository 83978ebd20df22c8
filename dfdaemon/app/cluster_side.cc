#include "dfdaemon/app/cluster_side.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "common/async/with_timeout.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/daemon/run_blocking.h"
#include "common/log/limited_logger.h"
#include "dfdaemon/cluster/scheduler_source.h"
#include "dfdaemon/config/load.h"

namespace dragonfly::dfdaemon {
namespace {

// A scheduler that does not answer finds out by itself, when no announcement comes any more.
constexpr auto kLeaveTimeout = std::chrono::seconds(3);

// TLS only when all three files are given, as in the original.
rpc::ChannelOptions Channel(const TlsFiles& files) {
  rpc::ChannelOptions options;
  if (files.complete()) options.tls = rpc::TlsFiles{files.ca_cert, files.cert, files.key};
  return options;
}

absl::StatusOr<std::unique_ptr<SchedulerSource>> MakeSource(const Core& core) {
  const ManagerConfig& manager = core.config.manager;
  if (!manager.addr.empty()) {
    auto address = ManagerAddress(manager.addr);
    if (!address.ok()) return Annotate(address.status(), "manager.addr");
    return MakeManagerSource(*std::move(address), Channel(manager.tls), core.host);
  }
  auto load = [path = core.dynconfig_path,
               is_seed = core.host.is_seed]() -> absl::StatusOr<LocalSchedulers> {
    ASSIGN_OR_RETURN(Dynconfig file, LoadDynconfig(path));
    BlockedDownloads& blocked = is_seed ? file.blocked_for_seeds : file.blocked;
    return LocalSchedulers{
        std::move(file.scheduler_addr), std::move(file.scheduler_addrs),
        DownloadBlockList{std::move(blocked.applications), std::move(blocked.urls),
                          std::move(blocked.tags), std::move(blocked.priorities)}};
  };
  // A file that cannot be read stops the start; later the last good one stays in force.
  RETURN_IF_ERROR(load().status());
  return MakeLocalSource(StrCat("file ", core.dynconfig_path), std::move(load));
}

std::function<void(const std::string&)> Warn(const Logger& log, std::string event) {
  return [log, event = std::move(event)](const std::string& text) {
    log.Warn(event, {{"error", text}});
  };
}

NetworkMonitorOptions Network(const Config& config) {
  NetworkMonitorOptions options;
  options.ip = config.host.ip;
  options.download_limit = config.download.bandwidth_limit;
  options.upload_limit = config.upload.bandwidth_limit;
  return options;
}

AnnouncerOptions Announcing(const Core& core) {
  AnnouncerOptions options;
  options.interval = core.config.scheduler.announce_interval;
  options.warn = Warn(core.log, "announce host failed");
  return options;
}

SchedulerRefresherOptions Refreshing(const Core& core) {
  SchedulerRefresherOptions options;
  options.interval = core.config.dynconfig_refresh_interval;
  options.cache_path = StrCat(core.config.server.cache_dir, "/schedulers.json");
  options.warn = Warn(core.log, "schedulers not refreshed");
  options.info = [log = core.log](const std::string& text) {
    log.Info("schedulers refreshed", {{"change", text}});
  };
  return options;
}

SchedulerClientOptions Scheduling(const Core& core) {
  SchedulerClientOptions options;
  options.host_id = core.host.id;
  options.concurrent_piece_count =
      static_cast<std::uint32_t>(core.config.download.concurrent_piece_count);
  // As many as there are downloads.
  options.warn = [log = std::make_shared<LimitedLogger>(core.log)](const std::string& text) {
    log->Warn("scheduler left out", {{"error", text}});
  };
  return options;
}

HostProbe::Paths Probed(const Config& config) {
  HostProbe::Paths paths;
  paths.storage_dir = config.storage.dir;
  return paths;
}

}  // namespace

ClusterSide::ClusterSide(Core& core, std::unique_ptr<SchedulerSource> source)
    : core_(core),
      scheduler_channels_(Channel(core.config.scheduler.tls)),
      parent_channels_(Channel(core.config.upload.client_tls)),
      directory_(core.io.executor()),
      probe_(Probed(core.config), core.clock),
      network_(core.io.executor(), Network(core.config)),
      announcer_(core.io.executor(), Announcing(core), core.host, probe_, network_,
                 scheduler_channels_, directory_),
      refresher_(core.io.executor(), Refreshing(core), std::move(source), scheduler_channels_,
                 directory_, policy_, core.disk),
      scheduler_(core.io.executor(), Scheduling(core), scheduler_channels_, directory_, announcer_),
      parents_(core.io.executor(), ParentClientOptions{}, parent_channels_),
      background_(core.io.executor()) {}

absl::StatusOr<std::unique_ptr<ClusterSide>> ClusterSide::Start(Core& core) {
  ASSIGN_OR_RETURN(std::unique_ptr<SchedulerSource> source, MakeSource(core));
  std::unique_ptr<ClusterSide> side(new ClusterSide(core, std::move(source)));
  RunBlocking(core.io.executor(), side->Begin());
  return side;
}

Awaitable<> ClusterSide::Begin() {
  network_.Start();
  const absl::Status refreshed = co_await refresher_.Refresh();
  if (!refreshed.ok()) {
    core_.log.Warn("no scheduler yet, downloads go to the source", {{"error", refreshed}});
  }
  const absl::Status announced = co_await announcer_.AnnounceToAll();
  if (!announced.ok()) core_.log.Warn("announce host failed", {{"error", announced}});
  refresher_.Start();
  announcer_.Start();
}

void ClusterSide::TellDeleted(const TaskId& task) { background_.Spawn(DeleteTask(task)); }

Awaitable<> ClusterSide::DeleteTask(TaskId task) {
  const absl::Status told = co_await scheduler_.DeleteTask(core_.host.id, task);
  // The scheduler finds out when it sends a child here in vain.
  if (!told.ok() && !absl::IsNotFound(told)) {
    core_.log.Debug("delete task at the scheduler failed", {{"task_id", task}, {"error", told}});
  }
}

Awaitable<> ClusterSide::Leave() {
  co_await announcer_.Stop();
  co_await refresher_.Stop();
  const absl::Status left =
      co_await WithTimeout(announcer_.DeleteHost(), kLeaveTimeout, "leave the cluster");
  if (!left.ok()) core_.log.Warn("delete host failed", {{"error", left}});
}

Awaitable<> ClusterSide::Stop() {
  co_await background_.Stop();
  co_await announcer_.Stop();
  co_await refresher_.Stop();
  co_await scheduler_.Stop();
  co_await parents_.Stop();
  co_await network_.Stop();
}

}  // namespace dragonfly::dfdaemon
