#pragma once

#include <memory>

#include "common/rpc/calls.h"

namespace prometheus {
class Registry;
}

namespace dragonfly {

/// grpc_server_started_total and grpc_server_handled_total, as Go's interceptor counts them and
/// dashboards of Dragonfly know them. The registry outlives it. Thread-safe.
std::unique_ptr<rpc::CallObserver> MakeGrpcServerMetrics(prometheus::Registry& registry);

}  // namespace dragonfly
