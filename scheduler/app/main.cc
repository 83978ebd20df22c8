#include <cstdio>
#include <string>

#include "common/base/strings.h"
#include "common/daemon/command_line.h"
#include "common/daemon/open_daemon_log.h"
#include "common/daemon/signals.h"
#include "common/log/open_log.h"
#include "common/version/version.h"
#include "scheduler/app/scheduler_app.h"
#include "scheduler/config/load.h"

namespace dragonfly::scheduler {
namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "Error: %s\n", std::string(status.message()).c_str());
  return 1;
}

absl::StatusOr<LoadedConfig> Load(const CommandLine& line) {
  auto loaded = LoadConfig(line.config);
  if (loaded.ok()) return loaded;
  // Without the default file, defaults are enough.
  if (absl::IsNotFound(loaded.status()) && !line.config_is_explicit) return LoadedConfig();
  // The words of the original, which scripts look for.
  return absl::Status(loaded.status().code(),
                      StrCat("viper read config: ", loaded.status().message()));
}

int Run(const CommandLine& line) {
  const Signals signals;
  auto loaded = Load(line);
  if (!loaded.ok()) return Fail(loaded.status());
  Config& config = loaded->config;
  config.console = config.console || line.console;
  FillFromHost(config);

  DaemonLogOptions options;
  options.dir = StrCat(config.server.log_dir, "/scheduler");
  options.channels = {"grpc", "gc", "job"};
  options.console = config.console;
  options.level = config.server.log_level;
  options.max_size_mib = config.server.log_max_size;
  options.max_age_days = config.server.log_max_age;
  options.max_backups = config.server.log_max_backups;
  const auto log = OpenDaemonLog(options);
  if (!log.ok()) return Fail(log.status());
  log->Info("scheduler is starting", {{"version", BuildVersion().semver},
                                      {"hostname", config.server.host},
                                      {"ip", config.server.advertise_ip}});
  for (const std::string& warning : loaded->warnings) {
    log->Warn("configuration", {{"reason", warning}});
  }

  auto app = SchedulerApp::Start(config, line.dynconfig, *log);
  if (!app.ok()) {
    log->Error("scheduler did not start", {{"error", app.status()}});
    return Fail(app.status());
  }
  // Only now: whoever starts it by hand sees why it did not start.
  if (!config.console) {
    if (const absl::Status status = RedirectStandardStreams(options.dir); !status.ok()) {
      log->Warn("standard streams stay where they are", {{"error", status}});
    }
  }
  log->Info("scheduler is running");
  const int signal = signals.WaitForStop(*log);
  log->Info("scheduler is stopping", {{"signal", signal}});
  (*app)->Stop();
  log->Info("scheduler has stopped");
  return 0;
}

int Main(int argc, char** argv) {
  const CommandLine line =
      ParseCommandLine({"scheduler", "The scheduler of Dragonfly.", true}, argc, argv);
  std::fputs(line.out.c_str(), stdout);
  std::fputs(line.error.c_str(), stderr);
  return line.run ? Run(line) : line.exit_code;
}

}  // namespace
}  // namespace dragonfly::scheduler

int main(int argc, char** argv) { return dragonfly::scheduler::Main(argc, argv); }
