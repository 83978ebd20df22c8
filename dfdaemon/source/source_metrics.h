#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace dragonfly::dfdaemon {

/// The label `method` of dragonfly_client_backend_request_*: what is asked of the source, not the
/// HTTP method on the wire.
enum class SourceOperation : std::uint8_t {
  kStat,  ///< `HEAD`
  kGet,   ///< `GET`
  kPut,   ///< `PUT`
};

/// Counts calls to sources; the label `scheme` is that of the URL. Thread-safe.
class SourceMetrics {
 public:
  virtual ~SourceMetrics() = default;
  /// backend_request_total.
  virtual void Requested(std::string_view scheme, SourceOperation operation) = 0;
  /// backend_request_failure_total.
  virtual void Failed(std::string_view scheme, SourceOperation operation) = 0;
  /// backend_request_duration_milliseconds, of calls that succeeded.
  virtual void Took(std::string_view scheme, SourceOperation operation,
                    std::chrono::nanoseconds time) = 0;
};

class NullSourceMetrics final : public SourceMetrics {
 public:
  void Requested(std::string_view /*scheme*/, SourceOperation /*operation*/) override {}
  void Failed(std::string_view /*scheme*/, SourceOperation /*operation*/) override {}
  void Took(std::string_view /*scheme*/, SourceOperation /*operation*/,
            std::chrono::nanoseconds /*time*/) override {}
};

}  // namespace dragonfly::dfdaemon
