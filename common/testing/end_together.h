#pragma once

#include <initializer_list>
#include <vector>

#include "common/async/runtime.h"

namespace dragonfly {

/// Ends the threads of several runtimes before any of them goes away: at its end a thread may still
/// let go of an executor of another one. Declare it right behind them.
class EndTogether {
 public:
  EndTogether(std::initializer_list<Runtime*> runtimes) : runtimes_(runtimes) {}
  ~EndTogether() { Now(); }
  EndTogether(const EndTogether&) = delete;
  EndTogether& operator=(const EndTogether&) = delete;

  /// Earlier than by itself, for what must not run while others are destroyed.
  void Now() {
    for (Runtime* runtime : runtimes_) runtime->Stop();
    for (Runtime* runtime : runtimes_) runtime->Join();
  }

 private:
  const std::vector<Runtime*> runtimes_;
};

}  // namespace dragonfly
