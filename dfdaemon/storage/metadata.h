#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "common/sqlite/sqlite.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// What is recorded of a task, besides its pieces.
struct TaskRow {
  std::int64_t row = 0;  ///< Key in the database; never used twice in one process.
  TaskSpec spec;
  TaskTimes times;
  /// Its pieces have to be compared with their checksums before use (after a power loss).
  bool suspect = false;
};

/// The records on disk; docs/formats/storage.md describes them. Changes are queued and written by
/// one thread in the order in which they came, a whole queue per transaction. Thread-safe after
/// Start().
class Metadata {
 public:
  /// Number of a queued change.
  using Ticket = std::uint64_t;
  using Warn = std::function<void(const std::string&)>;

  /// Opens or creates the database at `path`. Compares `boot_id` with the last start's, and marks
  /// every task as suspect if the machine went down without Close(true). DataLoss when the file is
  /// damaged or has a layout that this version does not know.
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
  struct PutTimesOp {
    std::int64_t row;
    TaskTimes times;
  };
  struct PutPieceOp {
    std::int64_t row;
    PieceRecord piece;
  };
  struct DropPieceOp {
    std::int64_t row;
    PieceNumber number;
  };
  struct DropTaskOp {
    std::int64_t row;
  };
  struct ClearSuspectOp {
    std::int64_t row;
  };
  using Op = std::variant<TaskRow, PutTimesOp, PutPieceOp, DropPieceOp, DropTaskOp, ClearSuspectOp>;

  explicit Metadata(Warn warn) : warn_(std::move(warn)) {}

  absl::Status Prepare();
  absl::Status CheckBoot(const std::string& boot_id);
  absl::Status SetMeta(std::string_view key, std::string_view value);
  absl::StatusOr<std::vector<PieceRecord>> LoadPieces(std::int64_t row);
  absl::StatusOr<HeaderList> LoadHeaders(std::int64_t row);

  Ticket Queue(Op op) ABSL_LOCKS_EXCLUDED(mutex_);
  Ticket QueueLocked(Op op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteQueued();
  absl::Status WriteBatch(const std::vector<Op>& batch);
  absl::Status Apply(const TaskRow& op);
  absl::Status Apply(const PutTimesOp& op);
  absl::Status Apply(const PutPieceOp& op);
  absl::Status Apply(const DropPieceOp& op);
  absl::Status Apply(const DropTaskOp& op);
  absl::Status Apply(const ClearSuspectOp& op);

  const Warn warn_;
  std::atomic<std::int64_t> next_row_{1};

  // Used by Open() and Load(), then by the writing thread, then by Close().
  SqliteDb db_;
  SqliteStatement put_task_, put_header_, put_times_, put_piece_, drop_piece_, drop_pieces_,
      drop_headers_, drop_task_, clear_suspect_;

  Mutex mutex_;
  CondVar queued_;   // Something to write, or closing.
  CondVar written_;  // A batch ended, well or not.
  std::vector<Op> queue_ ABSL_GUARDED_BY(mutex_);
  Ticket last_queued_ ABSL_GUARDED_BY(mutex_) = 0;
  Ticket last_written_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);  // Of the last batch.
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace dragonfly::dfdaemon
