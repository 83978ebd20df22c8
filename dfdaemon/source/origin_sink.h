#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "common/base/types.h"
#include "common/http/client.h"
#include "dfdaemon/source/bandwidth.h"

namespace dragonfly::dfdaemon {

/// Takes an origin's answers, one after the other, until one is good: redirects and refusals are told
/// apart from content, which goes to the derived class. Belongs to one call.
class OriginSink : public HttpBodySink {
 public:
  explicit OriginSink(const std::vector<RateLimiter*>& limiters) : meter_(limiters) {}

  /// Before each request: forgets the last answer.
  void Begin();

  /// The Range of the next request.
  [[nodiscard]] virtual std::optional<ByteRange> NextRange() const { return std::nullopt; }
  /// After an answer that ended in order: whether it was all.
  [[nodiscard]] virtual absl::Status Complete() const { return absl::OkStatus(); }
  /// Everything has been taken, whatever became of the connection.
  [[nodiscard]] virtual bool IsFull() const { return satisfied_; }

  [[nodiscard]] bool answered() const { return head_.has_value(); }
  [[nodiscard]] const HttpClientResponse& head() const { return *head_; }
  [[nodiscard]] const std::optional<std::string>& redirect() const { return redirect_; }
  /// Why the head was refused.
  [[nodiscard]] const absl::Status& verdict() const { return verdict_; }
  /// The derived class could not take a block, which asking again does not help.
  [[nodiscard]] const absl::Status& failure() const { return failure_; }
  /// The rest of the body was not needed.
  [[nodiscard]] bool satisfied() const { return satisfied_; }
  /// Pays for the last bytes.
  Awaitable<> Settle() { return meter_.Settle(); }

  absl::Status OnHead(const HttpClientResponse& head) final;
  absl::StatusOr<Flow> OnBody(std::span<const std::byte> bytes) final;
  Awaitable<> WhenReady() final { return meter_.Settle(); }

 protected:
  /// Judges the head of an answer that is no redirect; bad = its body is not content.
  virtual absl::Status Accept(const HttpClientResponse& head) = 0;
  /// The next bytes of content.
  virtual absl::Status Take(std::span<const std::byte> bytes) = 0;
  /// To be called by Take: what follows is not needed.
  void SetSatisfied() { satisfied_ = true; }

 private:
  // A refusal's text up to this length is read to the end, so that the connection can be used again.
  static constexpr std::uint64_t kDrainBytes = 64 * 1024;

  BandwidthMeter meter_;
  std::optional<HttpClientResponse> head_;
  std::optional<std::string> redirect_;
  absl::Status verdict_;
  absl::Status failure_;
  bool satisfied_ = false;
  bool draining_ = false;
  std::uint64_t drained_ = 0;
};

}  // namespace dragonfly::dfdaemon
