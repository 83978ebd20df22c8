#pragma once

namespace dragonfly::dfdaemon {

/// Counts what clients ask of the proxy. Thread-safe.
class ProxyMetrics {
 public:
  virtual ~ProxyMetrics() = default;
  /// proxy_request_total: every request and every CONNECT, also refused ones.
  virtual void RequestReceived() = 0;
  /// proxy_request_failure_total: no answer of the origin could be given, or one that broke off for
  /// another reason than the client's leaving.
  virtual void RequestFailed() = 0;
  /// proxy_request_via_dfdaemon_total: requests that became a task.
  virtual void RequestBecameTask() = 0;
};

class NullProxyMetrics final : public ProxyMetrics {
 public:
  void RequestReceived() override {}
  void RequestFailed() override {}
  void RequestBecameTask() override {}
};

}  // namespace dragonfly::dfdaemon
