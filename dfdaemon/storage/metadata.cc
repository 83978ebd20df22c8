#include "dfdaemon/storage/metadata.h"

#include <chrono>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::size_t kMaxQueued = 64 * 1024;
constexpr auto kRetryAfter = std::chrono::milliseconds(500);

}  // namespace

absl::StatusOr<std::unique_ptr<Metadata>> Metadata::Open(const std::string& path,
                                                         const std::string& boot_id, Warn warn) {
  ASSIGN_OR_RETURN(RecordDb db, RecordDb::Open(path, boot_id));
  return std::unique_ptr<Metadata>(new Metadata(std::move(db), std::move(warn)));
}

Metadata::~Metadata() { (void)Close(false); }

absl::Status Metadata::Load(const std::function<void(TaskRow, std::vector<PieceRecord>)>& take) {
  return db_.Load(take);
}

void Metadata::Start() {
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "metadata");
    WriteQueued();
  });
}

Metadata::Ticket Metadata::PutTask(TaskRow task) { return Queue(std::move(task)); }
Metadata::Ticket Metadata::PutTimes(std::int64_t row, const TaskTimes& times) {
  return Queue(TimesChanged{row, times});
}
Metadata::Ticket Metadata::DropPiece(std::int64_t row, PieceNumber number) {
  return Queue(PieceDropped{row, number});
}
Metadata::Ticket Metadata::DropTask(std::int64_t row) { return Queue(TaskDropped{row}); }
Metadata::Ticket Metadata::ClearSuspect(std::int64_t row) { return Queue(SuspectCleared{row}); }

Metadata::Ticket Metadata::PutPiece(std::int64_t row, const PieceRecord& piece) {
  const MutexLock lock(mutex_);
  if (queue_.size() >= kMaxQueued && !error_.ok()) return last_queued_;
  return QueueLocked(PieceFinished{row, piece});
}

void Metadata::WaitForRoom() {
  const MutexLock lock(mutex_);
  while (!closing_ && error_.ok() && queue_.size() >= kMaxQueued) written_.Wait(mutex_);
}

Metadata::Ticket Metadata::Queue(RecordChange change) {
  const MutexLock lock(mutex_);
  return QueueLocked(std::move(change));
}

Metadata::Ticket Metadata::QueueLocked(RecordChange change) {
  if (closing_) return last_queued_;
  queue_.push_back(std::move(change));
  // The thread takes the whole queue, so only the first entry has to wake it.
  if (queue_.size() == 1) queued_.NotifyOne();
  return ++last_queued_;
}

absl::Status Metadata::WaitFor(Ticket ticket, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  const MutexLock lock(mutex_);
  while (last_written_ < ticket && !closed_) {
    const bool in_time = written_.WaitUntil(mutex_, deadline);
    if (last_written_ >= ticket) break;
    if (!error_.ok()) return Annotate(error_, "write metadata");
    if (!in_time) return absl::DeadlineExceededError("write metadata: timed out");
  }
  if (last_written_ < ticket) return absl::CancelledError("write metadata: storage was closed");
  return absl::OkStatus();
}

void Metadata::WriteQueued() {
  std::vector<RecordChange> batch;
  while (true) {
    Ticket last = 0;
    {
      const MutexLock lock(mutex_);
      while (queue_.empty() && !closing_) queued_.Wait(mutex_);
      if (queue_.empty()) return;
      batch.swap(queue_);
      last = last_queued_;
    }
    absl::Status status = db_.Write(batch);
    bool failed_anew = false;
    {
      const MutexLock lock(mutex_);
      failed_anew = !status.ok() && error_.ok();
      error_ = status;
      if (status.ok()) {
        last_written_ = last;
        batch.clear();
      } else {
        // Again, in the old order, with what came meanwhile behind it.
        for (RecordChange& change : queue_) batch.push_back(std::move(change));
        queue_ = std::exchange(batch, {});
      }
      written_.NotifyAll();
    }
    if (failed_anew && warn_) warn_(StrCat("cannot write metadata: ", status.ToString()));
    if (status.ok()) continue;
    const MutexLock lock(mutex_);
    if (closing_) return;
    const auto retry_at = std::chrono::steady_clock::now() + kRetryAfter;
    while (!closing_ && queued_.WaitUntil(mutex_, retry_at)) {
    }
  }
}

absl::Status Metadata::Close(bool clean) {
  {
    const MutexLock lock(mutex_);
    if (closed_) return absl::OkStatus();
    closing_ = true;
    queued_.NotifyAll();
    written_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
  absl::Status status;
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    status = error_;
    written_.NotifyAll();
  }
  const absl::Status closed = db_.Close(clean && status.ok());
  return status.ok() ? closed : status;
}

}  // namespace dragonfly::dfdaemon
