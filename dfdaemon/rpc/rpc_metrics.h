#pragma once

#include <cstdint>

namespace dragonfly::dfdaemon {

enum class RpcOperation : std::uint8_t {
  kStatTask,
  kStatLocalTask,
  kListLocalTasks,
  kListTaskEntries,
  kDeleteTask,
  kDeleteLocalTask,
  kDeleteHost,
};

/// Counts calls of the gRPC services. Downloads are counted where they run, in dfdaemon/task.
/// Thread-safe.
class RpcMetrics {
 public:
  virtual ~RpcMetrics() = default;
  virtual void Requested(RpcOperation operation) = 0;
  virtual void Failed(RpcOperation operation) = 0;
};

}  // namespace dragonfly::dfdaemon
