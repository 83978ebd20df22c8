#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"

namespace dragonfly::dfdaemon {

/// Turns SIGINT, SIGTERM and SIGHUP into a call, so that a tool can remove what it has half made.
/// Make one before any other thread starts; from then on these signals no longer end the process by
/// themselves. A second one ends it at once.
class InterruptWatcher {
 public:
  InterruptWatcher();
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

  /// `cancel` is called on a thread of its own, at once when the signal came before. Null: no more;
  /// after it returned, the earlier function is not called and does not run.
  void OnInterrupt(std::function<void()> cancel);

  /// The signal that came, or 0.
  [[nodiscard]] int signal() const { return signal_; }

 private:
  void Watch();

  Mutex mutex_;
  std::function<void()> cancel_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> signal_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

/// Ends the process by `signal`, as if nobody had handled it.
[[noreturn]] void DieBy(int signal);

}  // namespace dragonfly::dfdaemon
