#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "common/async/notifier.h"
#include "dfdaemon/cluster/scheduler_list.h"

namespace dragonfly::dfdaemon {

/// The schedulers in use right now. Runs on: the `io` executor.
class SchedulerDirectory {
 public:
  explicit SchedulerDirectory(asio::any_io_executor executor)
      : set_(std::make_shared<const SchedulerSet>()), changed_(executor), refresh_(executor) {}

  [[nodiscard]] const std::shared_ptr<const SchedulerSet>& current() const { return set_; }
  /// Notified after every change of current().
  [[nodiscard]] Notifier& changed() { return changed_; }
  /// Notified when a refresh is wanted before its time.
  [[nodiscard]] Notifier& refresh_wanted() { return refresh_; }

  void Replace(std::vector<SchedulerEndpoint> endpoints) {
    if (endpoints == set_->endpoints()) return;
    set_ = std::make_shared<const SchedulerSet>(std::move(endpoints));
    changed_.Notify();
  }

  /// A call could not reach this scheduler: it is left out until a refresh finds it healthy again,
  /// as it would be in the next list. Every daemon does the same, so their rings stay equal.
  void Suspect(const SchedulerEndpoint& endpoint) {
    std::vector<SchedulerEndpoint> rest = set_->endpoints();
    std::erase(rest, endpoint);
    Replace(std::move(rest));
    refresh_.Notify();
  }

 private:
  std::shared_ptr<const SchedulerSet> set_;
  Notifier changed_;
  Notifier refresh_;
};

}  // namespace dragonfly::dfdaemon
