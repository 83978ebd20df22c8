#include "dfdaemon/storage/verifier.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "common/base/strings.h"
#include "dfdaemon/storage/stored_task.h"

namespace dragonfly::dfdaemon {

Verifier::Verifier(std::vector<std::shared_ptr<TaskState>> tasks,
                   std::shared_ptr<ContentFiles> files,
                   std::function<void(const std::string&)> warn)
    : files_(std::move(files)),
      warn_(std::move(warn)),
      tasks_(std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end())),
      thread_([this] {
        ::pthread_setname_np(::pthread_self(), "verifier");
        Run();
      }) {}

Verifier::~Verifier() {
  stop_ = true;
  thread_.join();
}

void Verifier::Hurry(const TaskState& task) {
  const MutexLock lock(mutex_);
  const auto found = std::find_if(tasks_.begin(), tasks_.end(),
                                  [&](const auto& entry) { return entry.get() == &task; });
  if (found == tasks_.end() || found == tasks_.begin()) return;
  std::rotate(tasks_.begin(), found, std::next(found));
}

void Verifier::Run() {
  while (!stop_) {
    std::shared_ptr<TaskState> task;
    {
      const MutexLock lock(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    Verify(*task);
  }
}

void Verifier::Verify(TaskState& task) {
  FileDescriptor file = files_->Open(task.kind(), task.id(), O_RDONLY);
  PieceNumber lost = 0;
  PieceNumber from = 0;
  while (const auto piece = task.NextUnverified(from)) {
    const PieceSpan span = task.layout().At(piece->number);
    // What has no checksum cannot be told from garbage.
    bool good = false;
    if (piece->crc32.has_value() && file.valid()) {
      const absl::Status status =
          CheckPieceBytes(file.get(), span.offset, span.length, *piece->crc32, &stop_);
      if (absl::IsCancelled(status)) return;
      good = status.ok();
    }
    if (!good) ++lost;
    task.Verified(piece->number, good);
    from = piece->number + 1;
  }
  task.AllVerified();
  if (lost > 0 && warn_) {
    warn_(StrCat("task ", task.id().str(), " lost ", lost, " of ", task.layout().piece_count(),
                 " pieces when the machine went down"));
  }
}

}  // namespace dragonfly::dfdaemon
