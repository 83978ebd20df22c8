#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dfdaemon/config/config.h"

namespace dragonfly {
struct ConfigNode;
}

namespace dragonfly::dfdaemon {

struct LoadedConfig {
  Config config;
  /// Unknown keys, older names; to be logged once there is a log.
  std::vector<std::string> warnings;
};

/// Reads and checks dfdaemon.yaml; blocks. NotFound when there is no file; InvalidArgument
/// "file:line: key: reason".
absl::StatusOr<LoadedConfig> LoadConfig(const std::string& path);
/// The same of a parsed file; `file` is its name in messages.
absl::StatusOr<LoadedConfig> ReadConfig(const ConfigNode& root, const std::string& file);

/// The effective configuration as YAML, secrets masked.
[[nodiscard]] std::string PrintConfig(const Config& config);

/// What the system says of itself, for what the file leaves open.
struct LocalNames {
  std::string hostname;
  std::string ipv4;  ///< That others reach this machine by; a loopback address without one.
  std::string ipv6;  ///< The same.
};
/// Blocks on name resolution.
[[nodiscard]] LocalNames FindLocalNames();
/// Whether FillFromHost() will look at the names at all.
[[nodiscard]] bool NeedsLocalNames(const Config& config);

/// Fills host.hostname, host.ip and the addresses of all listeners where the file has none.
/// FailedPrecondition when host.ip is needed and the machine has no address.
absl::Status FillFromHost(const LocalNames& names, Config& config);

/// What must not be downloaded: applications, tags and priorities by name, URLs by regular
/// expression.
struct BlockedDownloads {
  std::vector<std::string> applications;
  std::vector<std::string> urls;
  std::vector<std::string> tags;
  std::vector<std::int64_t> priorities;
};

/// The file that names the schedulers of a daemon without a manager.
struct Dynconfig {
  std::string scheduler_addr = "dragonfly-scheduler:8002";
  std::vector<std::string> scheduler_addrs;
  BlockedDownloads blocked;
  BlockedDownloads blocked_for_seeds;
};

/// Reads the file; blocks. A file that is not there is made, with the defaults. Errors name it.
absl::StatusOr<Dynconfig> LoadDynconfig(const std::string& path);

}  // namespace dragonfly::dfdaemon
