#include "dfdaemon/stats/admin_servers.h"

#include <utility>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/http/router.h"
#include "common/http/server.h"

namespace dragonfly::dfdaemon {
namespace {

HttpRouter Health() {
  HttpRouter router;
  router.Add("GET", "/healthy", [] { return HttpResponse::Text(200, ""); });
  return router;
}

HttpRouter MetricsRoutes(const DaemonMetrics& metrics) {
  HttpRouter router;
  router.Add("GET", "/metrics", [&metrics] {
    HttpResponse response;
    response.headers = {{"Content-Type", std::string(kMetricsContentType)}};
    response.body = metrics.Render();
    return response;
  });
  return router;
}

// The original answers every failure of a profile with 404, and so do its tools expect it.
HttpRouter Profiles() {
  HttpRouter router;
  for (const char* path : {"/debug/pprof/profile", "/debug/pprof/heap"}) {
    router.Add("GET", path, [] {
      return HttpResponse::Text(
          404, "this build takes no profiles of itself; use perf record -g -p <pid of dfdaemon>\n");
    });
  }
  return router;
}

}  // namespace

Awaitable<absl::StatusOr<std::unique_ptr<AdminServers>>> AdminServers::Listen(
    AdminServersOptions options, asio::any_io_executor admin, const DaemonMetrics& metrics) {
  std::unique_ptr<AdminServers> servers(new AdminServers());
  const absl::Status status = servers->ListenAll(options, admin, metrics);
  if (status.ok()) co_return servers;
  co_await servers->Stop(std::chrono::milliseconds(0));
  co_return status;
}

absl::Status AdminServers::ListenAll(const AdminServersOptions& options,
                                     const asio::any_io_executor& admin,
                                     const DaemonMetrics& metrics) {
  const auto add = [&](std::string_view name, const AdminServersOptions::Listener& listener,
                       const HttpRouter& router) -> absl::Status {
    HttpServerOptions http;
    http.ip = listener.ip;
    http.port = listener.port;
    http.connections_max = 256;
    auto server = HttpServer::Listen(std::move(http), {admin}, router.Handler());
    if (!server.ok()) return Annotate(server.status(), name);
    servers_.push_back(*std::move(server));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(add("health server", options.health, Health()));
  RETURN_IF_ERROR(add("metrics server", options.metrics, MetricsRoutes(metrics)));
  return add("stats server", options.stats, Profiles());
}

AdminServers::~AdminServers() = default;

std::uint16_t AdminServers::health_port() const { return servers_[0]->port(); }
std::uint16_t AdminServers::metrics_port() const { return servers_[1]->port(); }
std::uint16_t AdminServers::stats_port() const { return servers_[2]->port(); }

Awaitable<> AdminServers::Stop(std::chrono::milliseconds grace) {
  for (const auto& server : servers_) co_await server->Stop(grace);
}

}  // namespace dragonfly::dfdaemon
