#pragma once

#include <chrono>
#include <memory>

#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/rpc/calls.h"
#include "common/rpc/server.h"
#include "dfdaemon/app/cluster_side.h"
#include "dfdaemon/app/core.h"
#include "dfdaemon/app/data_path.h"
#include "dfdaemon/rpc/content_budget.h"
#include "dfdaemon/rpc/download_service.h"
#include "dfdaemon/rpc/upload_service.h"
#include "dfdaemon/task/task_manager.h"

namespace dragonfly::dfdaemon {

/// The two gRPC servers.
class RpcServers {
 public:
  struct Collaborators {
    DataPath& data;
    ClusterSide& cluster;
    TaskManager& tasks;
  };
  /// Listens; the health of the server as a whole is SERVING from now on, that of the services
  /// after Ready(). Blocks. Errors name the address.
  static absl::StatusOr<std::unique_ptr<RpcServers>> Start(Core& core, Collaborators with);
  /// After Stop().
  ~RpcServers() = default;

  void Ready();
  /// Ends listening, lets calls end for `grace`. On the `io` executor.
  Awaitable<> Stop(std::chrono::milliseconds grace);

 private:
  RpcServers(Core& core, Collaborators with);

  ContentBudget content_;
  rpc::Calls upload_calls_;
  rpc::Calls download_calls_;
  UploadService upload_;
  DownloadService download_;
  std::unique_ptr<rpc::Server> upload_server_;
  std::unique_ptr<rpc::Server> download_server_;
};

}  // namespace dragonfly::dfdaemon
