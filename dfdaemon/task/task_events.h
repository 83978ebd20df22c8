#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/async/notifier.h"
#include "common/base/mutex.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// Events of a stored task, which come on any thread, on their way to one executor. `changed` is
/// notified of the first that waits.
class TaskEvents {
 public:
  /// Whether pieces that begin to come, and those that are released, are events too. Without them a
  /// task has hardly more events than pieces, so that one who looks rarely holds no more than that;
  /// with them, look at every notification.
  struct Kinds {
    bool coming = false;
    bool released = false;
  };

  TaskEvents(StoredTask& task, Notifier changed, Kinds kinds)
      : queue_(std::make_shared<Queue>(std::move(changed))),
        subscription_(task.Subscribe([queue = queue_, kinds](const TaskEvent& event) {
          if (event.kind == TaskEvent::Kind::kPieceComing && !kinds.coming) return;
          if (event.kind == TaskEvent::Kind::kPieceReleased && !kinds.released) return;
          queue->Push(event);
        })) {}

  /// What happened since the last call, oldest first.
  [[nodiscard]] std::vector<TaskEvent> Take() { return queue_->Take(); }

 private:
  class Queue {
   public:
    explicit Queue(Notifier changed) : changed_(std::move(changed)) {}
    void Push(const TaskEvent& event) {
      bool first = false;
      {
        const MutexLock lock(mutex_);
        first = events_.empty();
        events_.push_back(event);
      }
      if (first) changed_.NotifyFromAnyThread();
    }
    std::vector<TaskEvent> Take() {
      const MutexLock lock(mutex_);
      return std::exchange(events_, {});
    }

   private:
    Notifier changed_;
    Mutex mutex_;
    std::vector<TaskEvent> events_ ABSL_GUARDED_BY(mutex_);
  };

  const std::shared_ptr<Queue> queue_;
  const std::unique_ptr<Subscription> subscription_;
};

}  // namespace dragonfly::dfdaemon
