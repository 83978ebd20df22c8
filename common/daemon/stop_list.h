#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/log/logger.h"

namespace dragonfly {

/// How `app` ends what it started: append the stop action right after each start; they run
/// backwards, also when a later start fails. Not thread-safe.
class StopList {
 public:
  explicit StopList(Logger log) : log_(std::move(log)) {}
  ~StopList() { Run(); }
  StopList(const StopList&) = delete;
  StopList& operator=(const StopList&) = delete;

  void Add(std::string what, std::function<void()> stop) {
    actions_.emplace_back(std::move(what), std::move(stop));
  }
  /// Runs and forgets the actions.
  void Run() {
    while (!actions_.empty()) {
      auto [what, stop] = std::move(actions_.back());
      actions_.pop_back();
      log_.Debug("stop", {{"what", what}});
      stop();
    }
  }

 private:
  const Logger log_;
  std::vector<std::pair<std::string, std::function<void()>>> actions_;
};

}  // namespace dragonfly
