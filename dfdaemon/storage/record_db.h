#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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

// Changes of the records, besides a TaskRow, which adds a task.
struct TimesChanged {
  std::int64_t row = 0;
  TaskTimes times;
};
struct PieceFinished {
  std::int64_t row = 0;
  PieceRecord piece;
};
struct PieceDropped {
  std::int64_t row = 0;
  PieceNumber number = 0;
};
struct TaskDropped {
  std::int64_t row = 0;
};
struct SuspectCleared {
  std::int64_t row = 0;
};
using RecordChange =
    std::variant<TaskRow, TimesChanged, PieceFinished, PieceDropped, TaskDropped, SuspectCleared>;

/// The database file that docs/formats/storage.md describes. Whatever stands in the file, reading
/// it ends, and gives records or DataLoss. Used by one thread at a time; every call blocks.
class RecordDb {
 public:
  /// Opens or creates the file. Compares `boot_id` with the last start's, and marks every task as
  /// suspect if the machine went down without Close(true). DataLoss when the file is damaged or has
  /// a layout that this version does not know.
  static absl::StatusOr<RecordDb> Open(const std::string& path, std::string_view boot_id);
  RecordDb() = default;

  /// All records, tasks in the order of their rows. They are what the file says: ids, kinds,
  /// lengths and pieces are still to be checked, times and durations are within reason.
  absl::Status Load(const std::function<void(TaskRow, std::vector<PieceRecord>)>& take);
  /// The highest row in use.
  [[nodiscard]] std::int64_t last_row() const { return last_row_; }

  /// All changes or none.
  absl::Status Write(const std::vector<RecordChange>& changes);

  /// `clean` says that all content is on the disk. Nothing may be called afterwards.
  absl::Status Close(bool clean);

 private:
  absl::Status Begin(std::string_view boot_id);
  absl::Status Prepare();
  absl::Status CheckLayout();
  absl::Status CheckPages();
  absl::Status CheckBoot(std::string_view boot_id);
  absl::Status FindLastRow();
  absl::Status SetMeta(std::string_view key, std::string_view value);
  absl::StatusOr<std::vector<PieceRecord>> LoadPieces(std::int64_t row);
  absl::StatusOr<HeaderList> LoadHeaders(std::int64_t row);

  absl::Status Apply(const TaskRow& change);
  absl::Status Apply(const TimesChanged& change);
  absl::Status Apply(const PieceFinished& change);
  absl::Status Apply(const PieceDropped& change);
  absl::Status Apply(const TaskDropped& change);
  absl::Status Apply(const SuspectCleared& change);

  SqliteDb db_;
  SqliteStatement put_task_, put_header_, put_times_, put_piece_, drop_piece_, drop_pieces_,
      drop_headers_, drop_task_, clear_suspect_;
  std::int64_t last_row_ = 0;
};

}  // namespace dragonfly::dfdaemon
