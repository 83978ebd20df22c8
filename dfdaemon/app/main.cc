// dfdaemon: the peer daemon. Reads flags and configuration, runs the daemon until a signal comes.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/log/open_log.h"
#include "common/version/version.h"
#include "dfdaemon/app/daemon.h"
#include "dfdaemon/app/flags.h"
#include "dfdaemon/app/process.h"
#include "dfdaemon/config/load.h"

namespace dragonfly::dfdaemon {
namespace {

// Kubernetes kills after 30 s, and the children of a daemon that stops find other parents at once.
constexpr auto kGrace = std::chrono::seconds(5);

constexpr char kReference[] = "https://d7y.io/docs/next/reference/configuration/client/dfdaemon/";

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "Error: %s\n", std::string(status.message()).c_str());
  return 1;
}

// In the original's words and on its channel: operators and installers look for them.
int FailToLoad(const std::string& path, const absl::Status& status) {
  const std::string reason = absl::IsNotFound(status) ? "No such file or directory (os error 2)"
                                                      : std::string(status.message());
  const bool colour = ::isatty(STDOUT_FILENO) != 0;
  std::printf("%sLoad config %s error: %s%s\n\n%sSee %s%s\n", colour ? "\x1b[1;31m" : "",
              path.c_str(), reason.c_str(), colour ? "\x1b[0m" : "", colour ? "\x1b[33m" : "",
              kReference, colour ? "\x1b[0m" : "");
  return 1;
}

absl::StatusOr<LoadedConfig> Load(const std::string& path) {
  ASSIGN_OR_RETURN(LoadedConfig loaded, LoadConfig(path));
  const LocalNames names = NeedsLocalNames(loaded.config) ? FindLocalNames() : LocalNames();
  RETURN_IF_ERROR(FillFromHost(names, loaded.config));
  return loaded;
}

absl::StatusOr<Logger> OpenDaemonLog(const Flags& flags) {
  LogOptions options;
  options.dir = flags.log_dir;
  options.file = "dfdaemon.log";
  options.console = flags.console;
  options.level = ParseLogLevel(flags.log_level).value_or(LogLevel::kInfo);
  options.max_file_size = flags.log_max_file_size;
  options.max_old_files = flags.log_max_files;
  return OpenLog(options);
}

void TellWhatStarts(const LoadedConfig& loaded, const Logger& log) {
  const Version& build = BuildVersion();
  log.Info("dfdaemon starts", {{"version", build.semver},
                               {"commit", build.commit},
                               {"hostname", loaded.config.host.hostname},
                               {"ip", loaded.config.host.ip},
                               {"seed_peer", loaded.config.seed_peer.enable}});
  for (const std::string& warning : loaded.warnings) {
    log.Warn("configuration", {{"warning", warning}});
  }
  if (!loaded.config.tracing.protocol.empty() && !loaded.config.tracing.endpoint.empty()) {
    log.Warn("configuration", {{"warning", "tracing: this dfdaemon exports no traces"}});
  }
  if (loaded.config.download.protocol != "tcp") {
    log.Warn("configuration",
             {{"warning", "download.protocol: pieces are fetched by tcp, whatever it says"}});
  }
}

int Run(const Flags& flags) {
  PrepareProcess();
  auto loaded = Load(flags.config);
  if (!loaded.ok()) return FailToLoad(flags.config, loaded.status());
  auto log = OpenDaemonLog(flags);
  if (!log.ok()) return Fail(log.status());
  TellWhatStarts(*loaded, *log);

  auto daemon = Daemon::Start(loaded->config, flags.dynconfig, *log);
  if (!daemon.ok()) {
    log->Error("dfdaemon cannot start", {{"error", daemon.status()}});
    return Fail(daemon.status());
  }
  log->Info("dfdaemon is ready");
  ForgetStart();
  const std::string signal = WaitForEndSignal();
  log->Info("dfdaemon stops", {{"signal", signal}});
  (*daemon)->Stop(kGrace);
  daemon->reset();
  log->Info("dfdaemon has stopped");
  return 0;
}

int Main(int argc, const char* const* argv) {
  const CommandLine command = ParseCommandLine(argc, argv);
  if (command.run) return Run(command.flags);
  std::fputs(command.text.c_str(), command.exit_code == 0 ? stdout : stderr);
  return command.exit_code;
}

}  // namespace
}  // namespace dragonfly::dfdaemon

int main(int argc, char** argv) { return dragonfly::dfdaemon::Main(argc, argv); }
