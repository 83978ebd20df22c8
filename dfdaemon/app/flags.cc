#include "dfdaemon/app/flags.h"

#include <CLI/CLI.hpp>

#include "common/base/strings.h"
#include "common/config/values.h"
#include "common/version/version.h"

namespace dragonfly::dfdaemon {
namespace {

CommandLine UsageError(std::string_view message) {
  CommandLine result;
  result.exit_code = 2;
  result.text = StrCat("error: ", message,
                       "\n\nUsage: dfdaemon [OPTIONS]\n\n"
                       "For more information, try '--help'.\n");
  return result;
}

CommandLine Print(std::string text) {
  CommandLine result;
  result.text = std::move(text);
  return result;
}

}  // namespace

CommandLine ParseCommandLine(int argc, const char* const* argv) {
  CommandLine result;
  Flags& flags = result.flags;
  std::string max_file_size = "1GiB";
  bool version = false;

  CLI::App app(
      "The peer daemon of Dragonfly: fetches files for this node from other nodes where possible, "
      "and serves what it has.",
      "dfdaemon");
  app.set_help_flag("-h,--help", "Print this help");
  app.add_flag("-V,--version", version, "Print the version");
  app.add_option("-c,--config", flags.config, "Configuration file")
      ->envname("DFDAEMON_CONFIG")
      ->capture_default_str();
  app.add_option("--dynconfig", flags.dynconfig,
                 "File that names the schedulers; read only when manager.addr is not configured")
      ->envname("DFDAEMON_DYNCONFIG")
      ->capture_default_str();
  app.add_option("-l,--log-level", flags.log_level, "trace, debug, info, warn or error")
      ->envname("DFDAEMON_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}))
      ->capture_default_str();
  app.add_option("--log-dir", flags.log_dir, "Directory of dfdaemon.log and its older files")
      ->envname("DFDAEMON_LOG_DIR")
      ->capture_default_str();
  app.add_option("--log-max-files", flags.log_max_files, "Log files that are kept")
      ->envname("DFDAEMON_LOG_MAX_FILES")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--log-max-file-size", max_file_size, "Size at which a new log file begins")
      ->envname("DFDAEMON_LOG_MAX_FILE_SIZE")
      ->capture_default_str();
  app.add_flag("--console", flags.console, "Write log records to stdout, too")
      ->envname("DFDAEMON_CONSOLE");

  try {
    app.parse(argc, const_cast<char**>(argv));
  } catch (const CLI::CallForHelp&) {
    return Print(app.help());
  } catch (const CLI::ParseError& error) {
    return UsageError(error.what());
  }
  if (version) return Print(VersionLine("dfdaemon") + "\n");
  const auto bytes = ParseByteSize(max_file_size);
  if (!bytes.ok() || *bytes == 0) {
    return UsageError(StrCat("invalid value '", max_file_size,
                             "' for '--log-max-file-size <LOG_MAX_FILE_SIZE>'"));
  }
  flags.log_max_file_size = *bytes;
  result.run = true;
  return result;
}

}  // namespace dragonfly::dfdaemon
