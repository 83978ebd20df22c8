#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace dragonfly::dfdaemon {

/// Command line of dfdaemon; the environment variable DFDAEMON_<FLAG> stands in for an absent flag.
struct Flags {
  std::string config = "/etc/dragonfly/dfdaemon.yaml";
  std::string dynconfig = "/etc/dragonfly/dynconfig.yaml";
  std::string log_level = "info";
  std::string log_dir = "/var/log/dragonfly/dfdaemon";
  std::uint32_t log_max_files = 6;
  std::uint64_t log_max_file_size = 1ULL << 30;  ///< Bytes.
  bool console = false;
};

/// What main() does after parsing: run, or print `text` and exit.
struct CommandLine {
  Flags flags;
  bool run = false;
  int exit_code = 0;  ///< 0 for help and version, 2 for a usage error.
  std::string text;
};

[[nodiscard]] CommandLine ParseCommandLine(int argc, const char* const* argv);

}  // namespace dragonfly::dfdaemon
