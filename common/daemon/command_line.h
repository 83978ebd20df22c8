#pragma once

#include <string>

namespace dragonfly {

/// What distinguishes the programs.
struct ProgramInfo {
  std::string name;         ///< `manager`
  std::string description;  ///< One sentence for the help text.
  /// Also gives the default file /etc/dragonfly/<name>.yaml and the variable <NAME>_CONFIG.
  bool has_dynconfig = false;
};

/// What main() does after parsing: run, or print the texts and exit.
struct CommandLine {
  bool run = false;
  int exit_code = 0;
  std::string out;    ///< For stdout.
  std::string error;  ///< For stderr.

  std::string config;
  /// The file was named by flag or environment, so it has to be there.
  bool config_is_explicit = false;
  std::string dynconfig = "/etc/dragonfly/dynconfig.yaml";
  bool console = false;
};

/// The command line of the original's manager and scheduler: flags `--config`, `--console` and
/// `--dynconfig`; subcommands `version`, `plugin`, `doc`, `help`. Blocks (`doc` writes a file).
[[nodiscard]] CommandLine ParseCommandLine(const ProgramInfo& program, int argc,
                                           const char* const* argv);

/// What `version` prints: nine lines `Key:<TAB>value`.
[[nodiscard]] std::string VersionTable();

}  // namespace dragonfly
