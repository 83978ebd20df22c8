#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <curl/curl.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "common/http/client.h"

namespace dragonfly::internal {

class CurlTransfer;

/// One curl multi handle whose sockets and timers are an executor's. Runs on: that executor, all of
/// it; curl calls back in here, and nothing is resumed from inside a callback.
class CurlEngine : public std::enable_shared_from_this<CurlEngine> {
 public:
  CurlEngine(const HttpClientOptions& options, asio::any_io_executor executor);
  ~CurlEngine();
  CurlEngine(const CurlEngine&) = delete;
  CurlEngine& operator=(const CurlEngine&) = delete;

  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }
  [[nodiscard]] const HttpClientOptions& options() const { return options_; }

  /// Starts `easy`, whose CURLOPT_PRIVATE is `transfer`. Cancelled after Stop().
  absl::Status Add(CURL* easy, CurlTransfer* transfer);
  /// Aborts it if it runs; does not tell the transfer.
  void Remove(CURL* easy, CurlTransfer* transfer);

  /// Ends every transfer with Cancelled, closes the connections and refuses new ones.
  void Stop();

 private:
  struct Watch;

  static int OnSocket(CURL* easy, curl_socket_t fd, int what, void* self, void* socket_data);
  static int OnTimer(CURLM* multi, long timeout_ms, void* self);

  bool Want(int fd, int what);
  void Arm(const std::shared_ptr<Watch>& watch);
  void OnReady(const std::shared_ptr<Watch>& watch, int events);
  void SetTimer(long timeout_ms);
  void OnTimeout();
  void Run(int fd, int events);

  const HttpClientOptions options_;
  const asio::any_io_executor executor_;

  CURLM* multi_;
  asio::steady_timer timer_;
  // Tells a timeout that was queued before the timer was set anew.
  std::uint64_t timer_generation_ = 0;
  absl::flat_hash_map<int, std::shared_ptr<Watch>> watches_;
  absl::flat_hash_set<CurlTransfer*> transfers_;
};

}  // namespace dragonfly::internal
