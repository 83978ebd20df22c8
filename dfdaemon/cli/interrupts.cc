#include "dfdaemon/cli/interrupts.h"

#include <pthread.h>

#include <csignal>
#include <cstdlib>
#include <utility>

namespace dragonfly::dfdaemon {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : kSignals) sigaddset(&set, signal);
  return set;
}

}  // namespace

InterruptWatcher::InterruptWatcher() {
  const sigset_t set = Watched();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { Watch(); });
}

InterruptWatcher::~InterruptWatcher() {
  stopping_ = true;
  ::pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

void InterruptWatcher::OnInterrupt(std::function<void()> cancel) {
  const MutexLock lock(mutex_);
  cancel_ = std::move(cancel);
  if (signal_ != 0 && cancel_) cancel_();
}

void InterruptWatcher::Watch() {
  const sigset_t set = Watched();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (stopping_) return;
    if (signal_ != 0) DieBy(signal);
    const MutexLock lock(mutex_);
    signal_ = signal;
    if (cancel_) cancel_();
  }
}

void DieBy(int signal) {
  std::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  std::raise(signal);
  std::abort();
}

}  // namespace dragonfly::dfdaemon
