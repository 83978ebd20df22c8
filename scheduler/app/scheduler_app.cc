#include "scheduler/app/scheduler_app.h"

#include <utility>
#include <vector>

#include "common/async/blocking_pool.h"
#include "common/async/runtime.h"
#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/daemon/grpc_server_metrics.h"
#include "common/daemon/listen_address.h"
#include "common/daemon/metrics_handler.h"
#include "common/daemon/run_blocking.h"
#include "common/daemon/stop_list.h"
#include "common/http/server.h"
#include "common/rpc/server.h"
#include "scheduler/cluster/dynamic_config_refresher.h"
#include "scheduler/cluster/grpc_seed_peer_client.h"
#include "scheduler/cluster/manager_link.h"
#include "scheduler/cluster/membership.h"
#include "scheduler/config/dynconfig_file.h"
#include "scheduler/gc/sweeper.h"
#include "scheduler/rpc/scheduler_service.h"
#include "scheduler/seeding/seed_peers.h"
#include "scheduler/stats/scheduler_stats.h"
#include "scheduler/store/redis_store.h"
#include "scheduler/store/state_keeper.h"

namespace dragonfly::scheduler {
namespace {

// For calls that are about to end, and for conversations: peers go on without us.
constexpr std::chrono::seconds kGrace{5};

std::optional<rpc::TlsFiles> FilesOf(const std::optional<TlsConfig>& tls) {
  if (!tls.has_value()) return std::nullopt;
  return rpc::TlsFiles{tls->ca_cert, tls->cert, tls->key};
}

RedisStore::Options StoreOptions(const Config& config) {
  RedisStore::Options options;
  options.redis.addresses = config.redis.addrs;
  options.redis.master_name = config.redis.master_name;
  options.redis.username = config.redis.username;
  options.redis.password = config.redis.password;
  options.redis.sentinel_username = config.redis.sentinel_username;
  options.redis.sentinel_password = config.redis.sentinel_password;
  options.scheduler_cluster_id = config.manager.scheduler_cluster_id;
  options.name = JoinHostPort(config.server.host, config.server.advertise_port);
  return options;
}

SchedulerService::Options ServiceOptions(const Config& config) {
  SchedulerService::Options options;
  options.scheduler_cluster_id = config.manager.scheduler_cluster_id;
  Dispatcher::Options& scheduling = options.scheduling;
  scheduling.algorithm = config.scheduler.algorithm;
  scheduling.keep_changes = !config.redis.addrs.empty();
  scheduling.swarm.back_to_source_count = config.scheduler.back_to_source_count;
  scheduling.swarm.piece_download_timeout = config.scheduler.gc.piece_download_timeout;
  scheduling.swarm.peer_ttl = config.scheduler.gc.peer_ttl;
  scheduling.swarm.host_ttl = config.scheduler.gc.host_ttl;
  scheduling.waiting.retry.retry_back_to_source_limit = config.scheduler.retry_back_to_source_limit;
  scheduling.waiting.retry.retry_limit = config.scheduler.retry_limit;
  scheduling.waiting.retry.retry_interval = config.scheduler.retry_interval;
  return options;
}

class App final : public SchedulerApp {
 public:
  App(const Config& config, std::string dynconfig, Logger log)
      : config_(config),
        dynconfig_(std::move(dynconfig)),
        log_(std::move(log)),
        stats_({.host_traffic = config.metrics.enable_host}, clock_),
        stops_(log_) {}
  ~App() override {
    Stop();
    // Shards answer on `io`, so all threads end before any of their contexts goes away.
    for (Runtime* const runtime : {&shards_, &io_, &admin_}) runtime->Stop();
    for (Runtime* const runtime : {&shards_, &io_, &admin_}) runtime->Join();
  }

  absl::Status StartAll() {
    RETURN_IF_ERROR(LoadDynamicConfiguration());
    RETURN_IF_ERROR(StartService());
    if (config_.metrics.enable) RETURN_IF_ERROR(StartMetrics());
    if (!config_.redis.addrs.empty()) RETURN_IF_ERROR(RestoreState());
    RETURN_IF_ERROR(StartGrpc());
    StartMembership();
    return absl::OkStatus();
  }
  void Stop() override { stops_.Run(); }

 private:
  absl::Status LoadDynamicConfiguration() {
    DynamicConfigRefresher::Options options;
    options.interval = config_.dynconfig_refresh_interval;
    DynamicConfigRefresher::Fetch fetch = [this] { return ReadDynconfigFile(); };
    if (config_.manager.addr.has_value()) {
      RETURN_IF_ERROR(JoinCluster());
      options.cache_path = StrCat(config_.server.cache_dir, "/dynconfig/scheduler.json");
      fetch = [this] { return link_->Fetch(); };
    }
    const auto io = io_.executor();
    refresher_ = std::make_unique<DynamicConfigRefresher>(io, options, std::move(fetch),
                                                          dynamic_config_, disk_, log_);
    const absl::Status loaded = RunBlocking(io, refresher_->Load());
    // A file with a mistake in it; everything else may come right by itself.
    if (absl::IsInvalidArgument(loaded) && !config_.manager.addr.has_value()) return loaded;
    if (!loaded.ok()) {
      log_.Warn("no dynamic configuration yet, using defaults", {{"error", loaded}});
    }
    return absl::OkStatus();
  }

  Awaitable<absl::StatusOr<DynamicConfig>> ReadDynconfigFile() {
    auto read = [this] { return LoadDynconfigFile(dynconfig_); };
    co_return co_await disk_.Run(read);
  }

  /// Registers, so that the manager knows whose configuration is asked for. It sends nobody here
  /// before the first keepalive.
  absl::Status JoinCluster() {
    ManagerLinkOptions options;
    options.address = *config_.manager.addr;
    options.channel.tls = FilesOf(config_.manager.tls);
    options.identity.hostname = config_.server.host;
    options.identity.ip = config_.server.advertise_ip;
    options.identity.port = config_.server.advertise_port;
    options.identity.idc = config_.idc;
    options.identity.location = config_.location;
    options.identity.cluster_id = config_.manager.scheduler_cluster_id;
    options.keep_alive_interval = config_.manager.keep_alive_interval;
    auto link = MakeManagerLink(std::move(options));
    if (!link.ok()) return Annotate(link.status(), "manager");
    link_ = *std::move(link);
    const auto io = io_.executor();
    membership_ = std::make_unique<Membership>(io, Membership::Options{}, *link_, log_);
    const absl::Status registered = RunBlocking(io, membership_->Register());
    // What the manager refuses for good would be tried for ever without a word to whoever starts
    // us.
    if (absl::IsInvalidArgument(registered)) return registered;
    if (!registered.ok()) log_.Warn("manager is away, will retry", {{"error", registered}});
    return absl::OkStatus();
  }

  absl::Status StartService() {
    const auto io = io_.executor();
    GrpcSeedPeerClient::Options seed_client;
    seed_client.channels.tls = FilesOf(config_.seed_peer.tls);
    // The time after which the peer collector gives up any peer, seed or not.
    seed_client.silence = config_.scheduler.gc.piece_download_timeout;
    seed_client_ = std::make_unique<GrpcSeedPeerClient>(std::move(seed_client), clock_);
    SeedPeers::Options seeding;
    seeding.enabled = config_.seed_peer.enable;
    seeds_ = std::make_unique<SeedPeers>(seeding, hosts_, *seed_client_, io, log_);

    observer_ = MakeGrpcServerMetrics(stats_.page().registry());
    rpc::Calls::Options calls;
    calls.executor = [this] { return shards_.Next(); };
    calls.requests_per_second = config_.server.request_rate_limit;
    calls.burst = config_.server.request_rate_limit;
    calls.on_exception = [log = log_](std::string_view method, std::string_view what) {
      log.Error("a handler threw", {{"method", method}, {"error", what}});
    };
    calls.observer = observer_.get();
    calls_ = std::make_unique<rpc::Calls>(std::move(calls));

    std::vector<asio::any_io_executor> shards;
    for (std::size_t i = 0; i < shards_.size(); ++i) shards.push_back(shards_.executor(i));
    auto service = SchedulerService::Create(
        ServiceOptions(config_),
        SchedulerService::Collaborators{*calls_, std::move(shards), hosts_, *seeds_,
                                        dynamic_config_, stats_.scheduling_metrics(),
                                        stats_.scheduler_metrics(), clock_, log_});
    if (!service.ok()) return Annotate(service.status(), "scheduler.algorithm");
    service_ = *std::move(service);
    stops_.Add("service", [this, io] { RunBlocking(io, service_->Stop()); });
    stops_.Add("seed peers", [this, io] { RunBlocking(io, seeds_->Stop()); });
    seeds_->Start();

    Sweeper::Options sweeping;
    sweeping.host_interval = config_.scheduler.gc.host_gc_interval;
    sweeping.peer_interval = config_.scheduler.gc.peer_gc_interval;
    sweeping.task_interval = config_.scheduler.gc.task_gc_interval;
    sweeper_ = std::make_unique<Sweeper>(sweeping, *service_, io, log_.Channel("gc"));
    stops_.Add("sweeper", [this, io] { RunBlocking(io, sweeper_->Stop()); });
    sweeper_->Start();
    return absl::OkStatus();
  }

  absl::Status RestoreState() {
    const auto io = io_.executor();
    store_ = std::make_unique<RedisStore>(StoreOptions(config_), log_);
    keeper_ = std::make_unique<StateKeeper>(StateKeeper::Options{}, *store_, *service_, io, log_);
    if (const absl::Status loaded = RunBlocking(io, keeper_->Load()); !loaded.ok()) {
      return Annotate(loaded, "database.redis");
    }
    stops_.Add("state", [this, io] { RunBlocking(io, keeper_->Stop()); });
    keeper_->Start();
    return absl::OkStatus();
  }

  absl::Status StartMetrics() {
    const auto address =
        ParseListenAddress(config_.metrics.addr, config_.enable_ipv6 ? "::" : "0.0.0.0");
    if (!address.ok()) return Annotate(address.status(), "metrics.addr");
    HttpServerOptions options;
    options.ip = address->ip;
    options.port = address->port;
    auto server = HttpServer::Listen(options, admin_, MetricsHandler(stats_.page()));
    if (!server.ok()) return Annotate(server.status(), "metrics.addr");
    metrics_ = *std::move(server);
    stops_.Add("metrics", [this] { RunBlocking(admin_.executor(), metrics_->Stop(kGrace)); });
    log_.Info("metrics server is listening",
              {{"address", JoinHostPort(options.ip, metrics_->port())}});
    return absl::OkStatus();
  }

  absl::Status StartGrpc() {
    rpc::ServerOptions options;
    options.listen = {JoinHostPort(config_.server.listen_ip, config_.server.port)};
    options.tls = FilesOf(config_.server.tls);
    options.max_connection_idle = std::chrono::minutes(10);
    options.max_connection_age = std::chrono::hours(12);
    options.max_connection_age_grace = std::chrono::minutes(5);
    auto server = rpc::Server::Start(options, {service_.get()}, *calls_);
    if (!server.ok()) return Annotate(server.status(), "server");
    server_ = *std::move(server);
    stops_.Add("gRPC server", [this] {
      RunBlocking(io_.executor(), server_->Drain(kGrace));
      server_.reset();
    });
    log_.Info("gRPC server is listening", {{"address", options.listen.front()}});
    return absl::OkStatus();
  }

  void StartMembership() {
    const auto io = io_.executor();
    stops_.Add("dynamic configuration", [this, io] { RunBlocking(io, refresher_->Stop()); });
    refresher_->Start();
    if (membership_ == nullptr) return;
    stops_.Add("manager", [this, io] { RunBlocking(io, membership_->Stop()); });
    membership_->Start();
  }

  const Config config_;
  const std::string dynconfig_;
  const Logger log_;
  const SystemClock clock_;

  // Threads outlive what runs on them.
  Runtime shards_{"shard", AllowedCpuCount()};
  Runtime io_{"io", 1};
  Runtime admin_{"admin", 1};
  BlockingPool disk_{1};

  SchedulerStats stats_;
  DynamicConfigHolder dynamic_config_;
  std::unique_ptr<ManagerLink> link_;
  std::unique_ptr<Membership> membership_;
  std::unique_ptr<DynamicConfigRefresher> refresher_;
  HostTable hosts_;
  std::unique_ptr<GrpcSeedPeerClient> seed_client_;
  std::unique_ptr<SeedPeers> seeds_;
  std::unique_ptr<rpc::CallObserver> observer_;
  std::unique_ptr<rpc::Calls> calls_;
  std::unique_ptr<SchedulerService> service_;
  std::unique_ptr<Sweeper> sweeper_;
  std::unique_ptr<RedisStore> store_;
  std::unique_ptr<StateKeeper> keeper_;
  std::unique_ptr<HttpServer> metrics_;
  std::unique_ptr<rpc::Server> server_;

  StopList stops_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SchedulerApp>> SchedulerApp::Start(const Config& config,
                                                                  const std::string& dynconfig,
                                                                  Logger log) {
  auto app = std::make_unique<App>(config, dynconfig, std::move(log));
  RETURN_IF_ERROR(app->StartAll());
  return app;
}

}  // namespace dragonfly::scheduler
