#include "dfdaemon/app/process.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>

namespace dragonfly::dfdaemon {
namespace {

// An io thread and two data threads allocate at a time; the rest is idle nearly always.
constexpr int kArenas = 2;
// Freed memory beyond this goes back to the system, so that a busy hour does not last.
constexpr int kTrimThreshold = 1 << 20;
constexpr std::size_t kStackBytes = 512 * 1024;

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void PrepareProcess() {
  ::mallopt(M_ARENA_MAX, kArenas);
  ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) == 0) {
    ::pthread_attr_setstacksize(&attributes, kStackBytes);
    ::pthread_setattr_default_np(&attributes);
    ::pthread_attr_destroy(&attributes);
  }
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  std::signal(SIGPIPE, SIG_IGN);
  const sigset_t set = EndSignals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

std::string WaitForEndSignal() {
  const sigset_t set = EndSignals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  for (const int next : {SIGINT, SIGTERM, SIGQUIT}) std::signal(next, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  return ::strsignal(signal);
}

}  // namespace dragonfly::dfdaemon
