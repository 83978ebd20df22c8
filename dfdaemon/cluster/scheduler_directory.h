#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/async/notifier.h"
#include "dfdaemon/cluster/scheduler_list.h"
#include "dfdaemon/cluster/silent_schedulers.h"

namespace dragonfly::dfdaemon {

/// The schedulers in use right now. Runs on: the `io` executor.
class SchedulerDirectory {
 public:
  explicit SchedulerDirectory(asio::any_io_executor executor,
                              SilentSchedulers::Options silence = SilentSchedulers::Options())
      : set_(std::make_shared<const SchedulerSet>()),
        silent_(silence),
        changed_(executor),
        refresh_(executor) {}

  [[nodiscard]] const std::shared_ptr<const SchedulerSet>& current() const { return set_; }
  /// Notified after every change of current().
  [[nodiscard]] Notifier& changed() { return changed_; }
  /// Notified when a refresh is wanted before its time.
  [[nodiscard]] Notifier& refresh_wanted() { return refresh_; }

  void Replace(std::vector<SchedulerEndpoint> endpoints);

  /// A call could not reach this scheduler: it is left out until a refresh finds it healthy again,
  /// as it would be in the next list. Every daemon does the same, so their rings stay equal.
  void Suspect(const SchedulerEndpoint& endpoint);

  /// The scheduler to register a peer of the task at: its owner on the ring; while that one is
  /// silent, the owner among the others. Unavailable when there is none, or all are silent;
  /// InvalidArgument for a task id that is too short.
  [[nodiscard]] absl::StatusOr<SchedulerEndpoint> ForRegistration(const TaskId& task,
                                                                  SteadyTime now);
  /// The same for calls that go where the registration would have gone.
  [[nodiscard]] absl::StatusOr<SchedulerEndpoint> OwnerOf(const TaskId& task, SteadyTime now) const;

  /// A registration got no answer in time. Returns for how long nobody registers there now.
  Duration Silent(const SchedulerEndpoint& endpoint, SteadyTime now);
  /// A registration was answered. True when this scheduler had been silent.
  bool Answered(const SchedulerEndpoint& endpoint) { return silent_.Answered(endpoint); }

 private:
  /// The ring of those that answer.
  [[nodiscard]] SchedulerSet Answering(SteadyTime now) const;

  std::shared_ptr<const SchedulerSet> set_;
  SilentSchedulers silent_;
  Notifier changed_;
  Notifier refresh_;
};

}  // namespace dragonfly::dfdaemon
