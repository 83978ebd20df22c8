#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/async/awaitable.h"
#include "common/async/blocking_pool.h"
#include "common/base/types.h"
#include "common/rpc/calls.h"
#include "dfdaemon/cluster/network_monitor.h"
#include "dfdaemon/cluster/scheduler_queries.h"
#include "dfdaemon/rpc/content_budget.h"
#include "dfdaemon/rpc/rpc_metrics.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// What both gRPC services work with. Everything outlives the services. Handlers run on `io`, the
/// executor that `calls` gives and that `tasks`, `schedulers` and `network` live on.
struct ServiceDeps {
  rpc::Calls& calls;
  asio::any_io_executor io;
  BlockingPool& disk;
  Storage& storage;
  TaskManager& tasks;
  SchedulerQueries& schedulers;
  NetworkMonitor& network;
  RpcMetrics& metrics;
  /// For content in answers, of both services together.
  ContentBudget& content;
  HostId host_id;
  /// Address and ports where this host serves Vortex, told to children in SyncPieces.
  std::string ip;
  std::uint16_t vortex_tcp_port = 0;
  std::optional<std::uint16_t> vortex_quic_port;
  /// Waits until so many bytes may be uploaded; absent = no limit.
  std::function<Awaitable<>(std::uint64_t bytes)> acquire_upload;
  /// Whether callers may name a file of this host as output. Off for a port that anybody can reach.
  bool allow_output_path = false;
};

}  // namespace dragonfly::dfdaemon
