#include "common/daemon/signals.h"

#include <signal.h>

#include <cstdio>
#include <string>

namespace dragonfly {
namespace {

sigset_t Held() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGQUIT, SIGTERM, SIGUSR1}) sigaddset(&set, number);
  return set;
}

}  // namespace

LogLevel NextLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return LogLevel::kDebug;
    case LogLevel::kDebug:
    case LogLevel::kTrace:
      return LogLevel::kError;
    case LogLevel::kError:
    case LogLevel::kOff:
      return LogLevel::kWarn;
    case LogLevel::kWarn:
      return LogLevel::kInfo;
  }
  return LogLevel::kInfo;
}

Signals::Signals() {
  const sigset_t set = Held();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A peer that closed its connection is told by the write's own error.
  signal(SIGPIPE, SIG_IGN);
}

int Signals::WaitForStop(const Logger& log) const {
  const sigset_t set = Held();
  while (true) {
    int number = 0;
    if (sigwait(&set, &number) != 0) continue;
    if (number != SIGUSR1) return number;
    const LogLevel level = NextLevel(log.level());
    log.SetLevel(level);
    const std::string name(LogLevelName(level));
    std::printf("change log level to %s\n", name.c_str());
    std::fflush(stdout);
  }
}

}  // namespace dragonfly
