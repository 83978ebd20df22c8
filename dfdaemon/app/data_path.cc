#include "dfdaemon/app/data_path.h"

#include <string>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"

namespace dragonfly::dfdaemon {
namespace {

std::vector<asio::any_io_executor> Executors(const Runtime& runtime) {
  std::vector<asio::any_io_executor> executors;
  for (std::size_t i = 0; i < runtime.size(); ++i) executors.push_back(runtime.executor(i));
  return executors;
}

StorageOptions Storing(const Core& core) {
  StorageOptions options;
  options.dir = core.config.storage.dir;
  options.keep = core.config.storage.keep;
  options.disk_threshold = core.config.gc.disk_threshold;
  options.warn = [log = core.log](const std::string& text) {
    log.Warn("storage", {{"error", text}});
  };
  return options;
}

HttpClientOptions Origins() {
  HttpClientOptions options;
  // Nodes behind a proxy reach their origins through it, as the original's client does.
  options.proxies = HttpProxies::FromEnvironment();
  return options;
}

HttpSourceOptions Sourcing(const Config& config) {
  HttpSourceOptions options;
  options.headers.extra.assign(config.backend.request_header.begin(),
                               config.backend.request_header.end());
  options.retries_max = static_cast<unsigned>(config.backend.max_retries);
  options.cache_redirects = config.backend.enable_cache_temporary_redirect;
  options.redirect_ttl = config.backend.cache_temporary_redirect_ttl;
  return options;
}

VortexFetcherOptions Fetching(const Config& config) {
  VortexFetcherOptions options;
  options.piece_timeout = config.download.piece_timeout;
  options.write_timeout = config.storage.write_piece_timeout;
  options.tcp_fastopen = config.storage.tcp_fastopen;
  return options;
}

VortexServerOptions Serving(const Config& config) {
  VortexServerOptions options;
  options.ip = config.storage.server_ip;
  options.port = config.storage.tcp_port;
  options.tcp_fastopen = config.storage.tcp_fastopen;
  return options;
}

}  // namespace

DataPath::DataPath(Core& core, std::unique_ptr<Storage> storage)
    : storage_(std::move(storage)),
      download_limit_(core.config.download.bandwidth_limit),
      back_to_source_limit_(core.config.download.back_to_source_bandwidth_limit),
      upload_limit_(core.config.upload.bandwidth_limit),
      prefetch_limit_(core.config.proxy.prefetch_bandwidth_limit),
      http_(Origins(), Executors(core.data)),
      source_(Sourcing(core.config), {.client = http_,
                                      .limiters = {&download_limit_, &back_to_source_limit_},
                                      .metrics = core.metrics,
                                      .clock = core.clock,
                                      .log = core.log}),
      fetcher_(Fetching(core.config), download_limit_, core.metrics, core.data),
      vortex_server_(Serving(core.config), *storage_, upload_limit_, core.metrics, core.log,
                     core.data, core.disk) {}

absl::StatusOr<std::unique_ptr<DataPath>> DataPath::Start(Core& core) {
  ASSIGN_OR_RETURN(std::unique_ptr<Storage> storage, Storage::Open(Storing(core), core.clock));
  std::unique_ptr<DataPath> path(new DataPath(core, std::move(storage)));
  RETURN_IF_ERROR(path->vortex_server_.Start());
  path->disk_gauges_ = core.metrics.WatchDisk(*path->storage_, core.disk);
  return path;
}

Awaitable<> DataPath::Stop() {
  co_await vortex_server_.Stop();
  co_await fetcher_.Stop();
  co_await http_.Stop();
}

}  // namespace dragonfly::dfdaemon
