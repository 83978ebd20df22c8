#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dragonfly::dfdaemon {

/// How the client tools tell a failure: a title, then keys and values between two lines of
/// asterisks, on stdout. Words and order are the original's, because scripts look for them; colours
/// only when `colour` is set.
class ReportWriter {
 public:
  explicit ReportWriter(bool colour) : colour_(colour) {}

  [[nodiscard]] std::string ValidationFailed(std::string_view reason) const;
  [[nodiscard]] std::string ConnectFailed(std::string_view error, std::string_view endpoint) const;
  /// The source refused: status code if there was an answer, message, headers.
  [[nodiscard]] std::string SourceFailed(std::string_view title, std::optional<int> status_code,
                                         std::string_view message,
                                         const std::map<std::string, std::string>& headers) const;
  /// The daemon answered with an error of its own. `code` is gRPC's number.
  [[nodiscard]] std::string RpcFailed(std::string_view title, int code, std::string_view message,
                                      std::string_view details) const;
  /// Anything else.
  [[nodiscard]] std::string Failed(std::string_view title, std::string_view message) const;

 private:
  enum class Colour : int { kRed = 1, kCyan = 6 };
  [[nodiscard]] std::string Title(std::string_view text) const;
  [[nodiscard]] std::string Line() const;
  [[nodiscard]] std::string Key(Colour colour, std::string_view text) const;

  bool colour_;
};

/// What the daemon puts into the details of a source error: {"message", "header", "status_code"}.
struct SourceErrorDetails {
  std::string message;
  std::map<std::string, std::string> headers;
  std::optional<int> status_code;
};
/// Nothing when `json` is not such an object. Reads at most 1 MiB.
[[nodiscard]] std::optional<SourceErrorDetails> ParseSourceErrorDetails(std::string_view json);

}  // namespace dragonfly::dfdaemon
