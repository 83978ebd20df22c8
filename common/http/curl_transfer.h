#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <curl/curl.h>

#include <boost/asio/steady_timer.hpp>

#include "absl/status/status.h"
#include "common/async/notifier.h"
#include "common/base/clock.h"
#include "common/http/client.h"
#include "common/http/curl_engine.h"
#include "common/http/curl_head.h"

namespace dragonfly::internal {

/// One request and its answer: a curl easy handle, what it calls back, and its time limits. Runs on:
/// the engine's executor. What changes is told through changed(); curl's callbacks resume nobody.
class CurlTransfer : public std::enable_shared_from_this<CurlTransfer> {
 public:
  /// `sink` is called until the transfer is done or aborted.
  CurlTransfer(std::shared_ptr<CurlEngine> engine, HttpClientRequest request, HttpBodySink& sink,
               std::size_t receive_buffer_bytes);
  ~CurlTransfer();
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;

  /// InvalidArgument for a request that cannot be sent.
  absl::Status Start();
  /// Ends the transfer with `status` unless it is done.
  void Fail(absl::Status status);

  [[nodiscard]] Notifier& changed() { return changed_; }
  [[nodiscard]] bool done() const { return result_.has_value(); }
  /// Only when done.
  [[nodiscard]] const absl::Status& result() const { return *result_; }
  [[nodiscard]] bool has_head() const { return head_reader_.complete(); }
  [[nodiscard]] const HttpClientResponse& head() const { return head_reader_.head(); }

  /// The sink said kPause.
  [[nodiscard]] bool paused() const { return sink_paused_; }
  void Resume();

  /// Streamed body: bytes that curl may read until body_taken() or done().
  void OfferBody(std::span<const std::byte> bytes);
  [[nodiscard]] bool body_taken() const { return body_.empty(); }
  void FinishBody();

  // From the engine.
  void OnDone(CURLcode code);

 private:
  static std::size_t OnHeaderLine(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBodyBytes(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBodyWanted(char* data, std::size_t size, std::size_t count, void* self);
  static int OnSeek(void* self, curl_off_t offset, int origin);

  bool TakeHeaderLine(std::string_view line);
  std::size_t TakeBody(std::span<const std::byte> bytes);
  std::size_t GiveBody(std::span<std::byte> out);
  void Unpause();
  void ArmWatchdog();
  void OnWatchdog();
  [[nodiscard]] absl::Status StatusOf(CURLcode code) const;

  // Constant after Start().
  const std::shared_ptr<CurlEngine> engine_;
  const HttpClientRequest request_;
  HttpBodySink& sink_;
  const std::size_t receive_buffer_bytes_;
  CURL* const easy_;
  curl_slist* header_list_ = nullptr;
  SteadyTime started_at_;

  Notifier changed_;
  ResponseHeadReader head_reader_;
  asio::steady_timer watchdog_;
  SteadyTime active_at_;
  std::optional<absl::Status> result_;
  absl::Status sink_status_;  // Why a callback of ours stopped the transfer.
  bool sink_paused_ = false;
  bool receive_paused_ = false;  // Curl was told.
  bool send_paused_ = false;
  std::span<const std::byte> body_;
  bool body_finished_ = false;
  char error_text_[CURL_ERROR_SIZE] = {};
};

}  // namespace dragonfly::internal
