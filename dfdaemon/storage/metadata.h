#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "dfdaemon/storage/record_db.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// The records on disk; docs/formats/storage.md describes them. Changes are queued and written by
/// one thread in the order in which they came, a whole queue per transaction. Thread-safe after
/// Start().
class Metadata {
 public:
  /// Number of a queued change.
  using Ticket = std::uint64_t;
  using Warn = std::function<void(const std::string&)>;

  /// See RecordDb::Open().
  static absl::StatusOr<std::unique_ptr<Metadata>> Open(const std::string& path,
                                                        const std::string& boot_id, Warn warn);
  /// Close(false).
  ~Metadata();

  /// Reads everything, before Start().
  absl::Status Load(const std::function<void(TaskRow, std::vector<PieceRecord>)>& take);
  void Start();

  [[nodiscard]] std::int64_t NewRow() { return next_row_.fetch_add(1); }

  Ticket PutTask(TaskRow task);
  Ticket PutTimes(std::int64_t row, const TaskTimes& times);
  /// Drops the record when the database cannot be written and 64 Ki changes wait for it: after a
  /// restart the piece is fetched again.
  Ticket PutPiece(std::int64_t row, const PieceRecord& piece);
  Ticket DropPiece(std::int64_t row, PieceNumber number);
  Ticket DropTask(std::int64_t row);
  Ticket ClearSuspect(std::int64_t row);

  /// Blocks while 64 Ki changes wait and are being written.
  void WaitForRoom();
  /// Blocks until the change is in the database. The database's error when it cannot be written now
  /// (it will be tried again), DeadlineExceeded after `timeout`.
  absl::Status WaitFor(Ticket ticket, Duration timeout);

  /// Writes what is queued and ends the thread. `clean` says that all content is on the disk. Later
  /// changes are dropped. More than one call is fine.
  absl::Status Close(bool clean);

 private:
  Metadata(RecordDb db, Warn warn)
      : warn_(std::move(warn)), next_row_(db.last_row() + 1), db_(std::move(db)) {}

  Ticket Queue(RecordChange change) ABSL_LOCKS_EXCLUDED(mutex_);
  Ticket QueueLocked(RecordChange change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteQueued();

  const Warn warn_;
  std::atomic<std::int64_t> next_row_;

  // Used by Load(), then by the writing thread, then by Close().
  RecordDb db_;

  Mutex mutex_;
  CondVar queued_;   // Something to write, or closing.
  CondVar written_;  // A batch ended, well or not.
  std::vector<RecordChange> queue_ ABSL_GUARDED_BY(mutex_);
  Ticket last_queued_ ABSL_GUARDED_BY(mutex_) = 0;
  Ticket last_written_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);  // Of the last batch.
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace dragonfly::dfdaemon
