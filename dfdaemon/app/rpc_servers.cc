#include "dfdaemon/app/rpc_servers.h"

#include <string>
#include <utility>

#include "common/async/task_group.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "dfdaemon/cluster/scheduler_list.h"

namespace dragonfly::dfdaemon {
namespace {

rpc::Calls::Options Calling(const Core& core, std::uint64_t rate, std::uint64_t buffer) {
  rpc::Calls::Options options;
  options.executor = [executor = core.io.executor()] { return executor; };
  options.requests_per_second = static_cast<double>(rate);
  options.burst = static_cast<double>(rate + buffer);
  options.on_exception = [log = core.log](std::string_view method, std::string_view what) {
    log.Error("rpc handler threw", {{"method", method}, {"error", what}});
  };
  return options;
}

enum class Port : std::uint8_t { kUpload, kSocket };

ServiceDeps Deps(Core& core, RpcServers::Collaborators with, ContentBudget& content,
                 rpc::Calls& calls, Port port) {
  // Quic is not served, so its port is not told: children choose by it.
  return {.calls = calls,
          .io = core.io.executor(),
          .disk = core.disk,
          .storage = with.data.storage(),
          .tasks = with.tasks,
          .schedulers = with.cluster.scheduler(),
          .network = with.cluster.network(),
          .metrics = core.metrics,
          .content = content,
          .host_id = core.host.id,
          .ip = core.host.ip,
          .vortex_tcp_port = with.data.vortex_port(),
          .vortex_quic_port = std::nullopt,
          .acquire_upload = [&limit = with.data.upload_limit()](
                                std::uint64_t bytes) { return limit.Acquire(bytes); },
          .allow_output_path = port == Port::kSocket || core.config.upload.server_tls.complete()};
}

rpc::ServerOptions UploadOptions(const UploadConfig& upload) {
  rpc::ServerOptions options;
  options.listen = {SchedulerEndpoint{{}, upload.server_ip, upload.server_port, 0}.address()};
  const TlsFiles& tls = upload.server_tls;
  if (tls.complete()) options.tls = rpc::TlsFiles{tls.ca_cert, tls.cert, tls.key};
  return options;
}

}  // namespace

RpcServers::RpcServers(Core& core, Collaborators with)
    : content_(core.io.executor()),
      upload_calls_(Calling(core, core.config.upload.request_rate_limit,
                            core.config.upload.request_buffer_size)),
      download_calls_(Calling(core, core.config.download.request_rate_limit,
                              core.config.download.request_buffer_size)),
      upload_(Deps(core, with, content_, upload_calls_, Port::kUpload)),
      download_(Deps(core, with, content_, download_calls_, Port::kSocket)) {}

absl::StatusOr<std::unique_ptr<RpcServers>> RpcServers::Start(Core& core, Collaborators with) {
  std::unique_ptr<RpcServers> servers(new RpcServers(core, with));
  auto upload = rpc::Server::Start(UploadOptions(core.config.upload), {&servers->upload_},
                                   servers->upload_calls_);
  if (!upload.ok()) return Annotate(upload.status(), "upload server");
  servers->upload_server_ = *std::move(upload);
  rpc::ServerOptions unix_socket;
  unix_socket.listen = {StrCat("unix:", core.config.download.socket_path)};
  auto download = rpc::Server::Start(unix_socket, {&servers->download_}, servers->download_calls_);
  if (!download.ok()) return Annotate(download.status(), "download server");
  servers->download_server_ = *std::move(download);
  return servers;
}

void RpcServers::Ready() {
  upload_server_->SetServing(UploadService::kName, true);
  download_server_->SetServing(DownloadService::kName, true);
}

Awaitable<> RpcServers::Stop(std::chrono::milliseconds grace) {
  TaskGroup group(co_await asio::this_coro::executor);
  group.Spawn(upload_server_->Drain(grace));
  group.Spawn(download_server_->Drain(grace));
  co_await group.Drain();
}

}  // namespace dragonfly::dfdaemon
