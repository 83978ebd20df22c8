#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "common/http/client.h"

namespace dragonfly::internal {

/// Puts a response head together from the lines that curl hands over, one call each: interim
/// responses (1xx), heads of redirects that curl follows, the final head, then trailers. Pure.
class ResponseHeadReader {
 public:
  static constexpr std::size_t kMaxHeadBytes = 256 * 1024;
  static constexpr std::size_t kMaxFields = 2000;

  enum class Progress : std::uint8_t {
    kMore,
    kComplete,  ///< Just now: the head of the final response.
  };

  /// With `skip_redirects`, a 3xx answer with a Location is not the final one.
  explicit ResponseHeadReader(bool skip_redirects) : skip_redirects_(skip_redirects) {}

  /// `line` with or without its line end. DataLoss: not HTTP. ResourceExhausted: too much.
  absl::StatusOr<Progress> OnLine(std::string_view line);

  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] const HttpClientResponse& head() const { return head_; }
  [[nodiscard]] HttpClientResponse& head() { return head_; }

 private:
  absl::Status OnStatusLine(std::string_view line);
  [[nodiscard]] bool IsFinal() const;

  const bool skip_redirects_;
  HttpClientResponse head_;
  std::size_t bytes_ = 0;
  bool started_ = false;
  bool complete_ = false;
};

}  // namespace dragonfly::internal
