#include "manager/app/manager_app.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

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
#include "common/http/server_tls.h"
#include "common/rpc/server.h"
#include "manager/access/password.h"
#include "manager/clusters/cluster_directory.h"
#include "manager/clusters/liveness.h"
#include "manager/database/database.h"
#include "manager/rest/rest_handler.h"
#include "manager/rpc/manager_service.h"
#include "manager/stats/manager_stats.h"

namespace dragonfly::manager {
namespace {

using std::chrono::seconds;

// Less than the half minute that Kubernetes and others give. Keepalive streams do not wait for it.
constexpr seconds kGrace{5};
constexpr std::size_t kDatabaseThreads = 2;
constexpr std::size_t kPasswordLength = 16;
constexpr std::size_t kJwtKeyLength = 43;  // 250 bits.

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) return absl::NotFoundError(StrCat("read ", path, " failed"));
  return text.str();
}

/// The first password of `root`: the operator's, if there is one in the environment.
absl::StatusOr<std::string> FirstPassword(bool& generated) {
  const char* given = std::getenv("DRAGONFLY_INITIAL_ROOT_PASSWORD");
  generated = given == nullptr || *given == '\0';
  if (generated) return GenerateSecret(kPasswordLength);
  std::string password = given;
  if (password.size() < kMinPasswordLength || password.size() > kMaxPasswordLength) {
    return absl::InvalidArgumentError(StrCat("DRAGONFLY_INITIAL_ROOT_PASSWORD must have ",
                                             kMinPasswordLength, " to ", kMaxPasswordLength,
                                             " characters"));
  }
  return password;
}

absl::Status SeedDatabase(Database& database, WallTime now) {
  ASSIGN_OR_RETURN(const bool first_start, database.NeedsRootUser());
  SeedData data;
  std::string password;
  bool generated = false;
  if (first_start) {
    ASSIGN_OR_RETURN(password, FirstPassword(generated));
    ASSIGN_OR_RETURN(data.root_password_hash, HashPassword(password));
  }
  ASSIGN_OR_RETURN(data.jwt_key, GenerateSecret(kJwtKeyLength));
  ASSIGN_OR_RETURN(const bool created, database.Seed(data, now));
  if (created && generated) {
    // Not a log record: logs are kept and shipped, and this is shown once.
    std::printf("The user root was created with the password %s\n", password.c_str());
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

class App final : public ManagerApp {
 public:
  App(const Config& config, Logger log)
      : config_(config), log_(std::move(log)), db_(kDatabaseThreads), stops_(log_) {}
  ~App() override { Stop(); }

  absl::Status StartAll() {
    RETURN_IF_ERROR(StartClusters());
    RETURN_IF_ERROR(StartHttp());
    return StartGrpc();
  }
  void Stop() override { stops_.Run(); }

 private:
  absl::Status StartClusters() {
    DatabaseOptions options;
    options.type = config_.database.type;
    options.path = config_.database.sqlite_path;
    ASSIGN_OR_RETURN(database_, OpenDatabase(options));
    RETURN_IF_ERROR(Annotate(SeedDatabase(*database_, clock_.WallNow()), "fill the database"));
    log_.Info("database is ready", {{"type", options.type}, {"path", options.path}});
    const auto io = io_.executor();
    directory_ = std::make_unique<ClusterDirectory>(io, ClusterDirectoryOptions{}, *database_, db_,
                                                    clock_, log_);
    stops_.Add("clusters", [this, io] { RunBlocking(io, directory_->Stop()); });
    liveness_ = std::make_unique<Liveness>(io, LivenessOptions{}, *directory_, clock_, log_);
    stops_.Add("liveness", [this, io] { RunBlocking(io, liveness_->Stop()); });
    liveness_->Start();
    return absl::OkStatus();
  }

  absl::Status StartHttp() {
    std::shared_ptr<const HttpServerTls> tls;
    if (config_.server.rest_tls.has_value()) {
      HttpServerTlsOptions options;
      ASSIGN_OR_RETURN(options.certificate_chain_pem, ReadPem(config_.server.rest_tls->cert));
      ASSIGN_OR_RETURN(options.private_key_pem, ReadPem(config_.server.rest_tls->key));
      ASSIGN_OR_RETURN(tls, HttpServerTls::Create(options));
    }
    RETURN_IF_ERROR(Listen("server.rest.addr", config_.server.rest_addr, tls,
                           RestHandler(stats_.page()), rest_));
    if (!config_.metrics_enable) return absl::OkStatus();
    return Listen("metrics.addr", config_.metrics_addr, nullptr, MetricsHandler(stats_.page()),
                  metrics_);
  }

  absl::Status Listen(std::string_view key, const std::string& address,
                      std::shared_ptr<const HttpServerTls> tls, HttpHandler handler,
                      std::unique_ptr<HttpServer>& server) {
    const auto parsed = ParseListenAddress(address, config_.enable_ipv6 ? "::" : "0.0.0.0");
    if (!parsed.ok()) return Annotate(parsed.status(), key);
    HttpServerOptions options;
    options.ip = parsed->ip;
    options.port = parsed->port;
    options.tls = std::move(tls);
    auto listening = HttpServer::Listen(options, admin_, std::move(handler));
    if (!listening.ok()) return Annotate(listening.status(), key);
    server = *std::move(listening);
    stops_.Add(std::string(key), [this, &server] {
      RunBlocking(admin_.executor(), server->Stop(kGrace));
      server.reset();
    });
    log_.Info("HTTP server is listening", {{"address", JoinHostPort(options.ip, server->port())}});
    return absl::OkStatus();
  }

  absl::Status StartGrpc() {
    observer_ = MakeGrpcServerMetrics(stats_.page().registry());
    rpc::Calls::Options options;
    options.executor = [this] { return io_.executor(); };
    options.requests_per_second = config_.server.grpc.request_rate_limit;
    options.burst = config_.server.grpc.request_rate_limit;
    options.on_exception = [log = log_](std::string_view method, std::string_view what) {
      log.Error("a handler threw", {{"method", method}, {"error", what}});
    };
    options.observer = observer_.get();
    calls_ = std::make_unique<rpc::Calls>(std::move(options));
    service_ = std::make_unique<ManagerService>(ManagerService::Collaborators{
        *calls_, *directory_, *liveness_, stats_.manager_metrics(), log_});
    RETURN_IF_ERROR(BindGrpc());
    stops_.Add("gRPC server", [this] {
      const auto io = io_.executor();
      RunBlocking(io, LeaveOn(*liveness_));
      RunBlocking(io, server_->Drain(kGrace));
      server_.reset();
    });
    return absl::OkStatus();
  }

  static Awaitable<> LeaveOn(Liveness& liveness) {
    liveness.Leave();
    co_return;
  }

  /// The first free port of the configured range.
  absl::Status BindGrpc() {
    rpc::ServerOptions options;
    if (config_.server.grpc_tls.has_value()) {
      const TlsConfig& tls = *config_.server.grpc_tls;
      options.tls = rpc::TlsFiles{tls.ca_cert, tls.cert, tls.key};
    }
    options.max_connection_idle = std::chrono::minutes(10);
    options.max_connection_age = std::chrono::hours(12);
    options.max_connection_age_grace = std::chrono::minutes(5);
    const GrpcConfig& grpc = config_.server.grpc;
    const std::uint32_t last = std::max(grpc.port_start, grpc.port_end);
    absl::Status failed;
    for (std::uint32_t port = grpc.port_start; port <= last; ++port) {
      options.listen = {JoinHostPort(grpc.listen_ip, static_cast<std::uint16_t>(port))};
      auto server = rpc::Server::Start(options, {service_.get()}, *calls_);
      if (server.ok()) {
        server_ = *std::move(server);
        log_.Info("gRPC server is listening",
                  {{"address",
                    JoinHostPort(grpc.listen_ip, static_cast<std::uint16_t>(server_->port()))}});
        return absl::OkStatus();
      }
      failed = server.status();
      if (!absl::IsFailedPrecondition(failed)) break;
    }
    return Annotate(failed, "server.grpc");
  }

  const Config config_;
  const Logger log_;
  const SystemClock clock_;

  // Threads outlive what runs on them.
  Runtime io_{"io", 1};
  Runtime admin_{"admin", 1};
  BlockingPool db_;

  ManagerStats stats_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<ClusterDirectory> directory_;
  std::unique_ptr<Liveness> liveness_;
  std::unique_ptr<HttpServer> rest_;
  std::unique_ptr<HttpServer> metrics_;
  std::unique_ptr<rpc::CallObserver> observer_;
  std::unique_ptr<rpc::Calls> calls_;
  std::unique_ptr<ManagerService> service_;
  std::unique_ptr<rpc::Server> server_;

  StopList stops_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ManagerApp>> ManagerApp::Start(const Config& config, Logger log) {
  auto app = std::make_unique<App>(config, std::move(log));
  RETURN_IF_ERROR(app->StartAll());
  return app;
}

}  // namespace dragonfly::manager
