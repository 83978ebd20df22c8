#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/config/node.h"

namespace dragonfly {

/// What is said about one configuration file while it is read.
class ConfigReport {
 public:
  explicit ConfigReport(std::string file) : file_(std::move(file)) {}

  /// Go's configuration library ignores the case of keys, Rust's does not.
  bool ignore_key_case = false;

  /// InvalidArgument `file:line: path: reason`.
  [[nodiscard]] absl::Status Error(const ConfigNode& node, std::string_view path,
                                   std::string_view reason) const;
  /// Notes the same text as a warning.
  void Warn(const ConfigNode& node, std::string_view path, std::string_view reason);

  /// To be logged once there is a log.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  [[nodiscard]] std::string Place(const ConfigNode& node, std::string_view path,
                                  std::string_view reason) const;

  std::string file_;
  std::vector<std::string> warnings_;
};

}  // namespace dragonfly
