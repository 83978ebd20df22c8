#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "dfdaemon/storage/coming_piece.h"
#include "dfdaemon/storage/piece_record.h"

namespace dragonfly::dfdaemon {

/// Ordered list of HTTP headers, names as received.
using HeaderList = std::vector<std::pair<std::string, std::string>>;

/// What is fixed when a task is created.
struct TaskSpec {
  TaskKind kind = TaskKind::kStandard;
  TaskId id;
  std::uint64_t piece_length = 0;    ///< Bytes; > 0.
  std::uint64_t content_length = 0;  ///< Bytes.
  HeaderList response_headers;       ///< Of the source's answer, replayed by the proxy.
  /// Of persistent kinds only: eviction for room leaves the task alone.
  bool persistent = false;
  /// Of persistent kinds only: life from created_at; 0 = no limit.
  std::chrono::seconds ttl{0};
};

struct TaskTimes {
  WallTime created_at;
  WallTime updated_at;  ///< Last use; eviction is by this.
  std::optional<WallTime> prefetched_at;
  std::optional<WallTime> failed_at;
  std::optional<WallTime> finished_at;
};

struct TaskEvent {
  enum class Kind {
    kPieceComing,
    kPieceFinished,
    kPieceReleased,
    kTaskFinished,
    kTaskFailed,
    kTaskRemoved
  };
  Kind kind = Kind::kPieceFinished;
  PieceNumber piece = 0;  ///< For the piece events.
};

class StoredTask;

/// The right to write one piece. Obtained from StoredTask::Claim; gives the piece back on
/// destruction unless Commit() succeeded. Used by one thread at a time. Append and Commit block on
/// the disk.
class PieceWriter {
 public:
  virtual ~PieceWriter() = default;

  [[nodiscard]] virtual PieceNumber number() const = 0;
  [[nodiscard]] virtual std::uint64_t offset() const = 0;   ///< Of the piece in the content, bytes.
  [[nodiscard]] virtual std::uint64_t length() const = 0;   ///< Bytes.
  [[nodiscard]] virtual std::uint64_t written() const = 0;  ///< Bytes appended so far.
  /// CRC-32 IEEE of what was appended.
  [[nodiscard]] virtual std::uint32_t crc32() const = 0;

  /// Writes the next bytes at their place in the content file. OutOfRange when the piece would grow
  /// past its length; ResourceExhausted on a full disk; Internal on any other disk error.
  virtual absl::Status Append(std::span<const std::byte> bytes) = 0;

  /// From now on what was appended may be passed on: StoredTask::Coming() gives it to everybody,
  /// and listeners are told. `promised_crc32`: what `parent_id` says the whole piece will have.
  virtual void PassOn(std::uint32_t promised_crc32, PeerId parent_id) = 0;

  /// Starts the piece again from its first byte, after a source or parent failed half-way. It is
  /// not passed on any more.
  virtual void Restart() = 0;

  /// Publishes the piece: from now on HasPiece() is true for everybody and listeners are told.
  /// FailedPrecondition unless exactly length() bytes were appended; DataLoss when `expected_crc32`
  /// is given and differs from crc32(). number, offset, length and crc32 of the record are filled
  /// in here.
  virtual absl::Status Commit(PieceRecord record,
                              std::optional<std::uint32_t> expected_crc32 = std::nullopt) = 0;
};

/// Ends a subscription when destroyed. After the destructor returned, the listener is not called.
class Subscription {
 public:
  virtual ~Subscription() = default;
};

/// A task on this node's disk: one content file, an index of finished pieces in memory, and records
/// that survive a restart. Thread-safe; no member blocks on the disk unless its comment says so.
class StoredTask {
 public:
  enum class ClaimResult { kClaimed, kInProgress, kFinished };
  struct Claim {
    ClaimResult result = ClaimResult::kFinished;
    std::unique_ptr<PieceWriter> writer;  ///< Set for kClaimed.
  };

  virtual ~StoredTask() = default;

  [[nodiscard]] virtual const TaskSpec& spec() const = 0;
  [[nodiscard]] virtual TaskTimes times() const = 0;
  [[nodiscard]] virtual PieceNumber piece_count() const = 0;

  /// Descriptor of the content file, opened for reading; valid as long as this object lives, also
  /// after the task was removed from the disk. Opened by the first call; -1 when that fails.
  [[nodiscard]] virtual int content_fd() const = 0;
  [[nodiscard]] virtual std::string content_path() const = 0;

  [[nodiscard]] virtual bool HasPiece(PieceNumber number) const = 0;
  [[nodiscard]] virtual std::optional<PieceRecord> Piece(PieceNumber number) const = 0;
  /// A finished piece without any allocation.
  [[nodiscard]] virtual std::optional<PieceLocation> Locate(PieceNumber number) const = 0;
  /// A piece that is being written and may be passed on meanwhile; null when there is none.
  [[nodiscard]] virtual std::shared_ptr<ComingPiece> Coming(PieceNumber number) const = 0;
  [[nodiscard]] virtual std::vector<PieceRecord> Pieces() const = 0;
  [[nodiscard]] virtual PieceNumber finished_pieces() const = 0;
  /// True when every piece is here. (times().finished_at tells only that some download succeeded.)
  [[nodiscard]] virtual bool complete() const = 0;

  /// OutOfRange when there is no such piece.
  virtual absl::StatusOr<Claim> ClaimPiece(PieceNumber number) = 0;
  /// Forgets a finished piece whose bytes turned out to be damaged; tells listeners kPieceReleased.
  virtual void DropPiece(PieceNumber number) = 0;
  /// The same for bytes that the content file lost by itself: Storage::Inspect() replaces the file.
  virtual void DropDamagedPiece(PieceNumber number) = 0;
  /// Reads a finished piece and compares its checksum; blocks. DataLoss (and the piece is dropped)
  /// when the bytes are not what was committed or cannot be read; NotFound when it is not finished.
  /// A piece without a checksum passes.
  virtual absl::Status VerifyPiece(PieceNumber number) = 0;
  /// False when the content file of a complete task is not as its last piece left it, because it
  /// was changed, cut, replaced or removed by somebody else (an output path may be a hard link to
  /// it), or when a damaged piece was dropped. Blocks for one stat().
  [[nodiscard]] virtual bool Intact() const = 0;

  virtual void MarkFinished() = 0;  ///< Sets finished_at, clears failed_at.
  virtual void MarkFailed() = 0;    ///< Sets failed_at.
  virtual void ClearFailed() = 0;
  /// Sets prefetched_at; false when it was set before.
  virtual bool MarkPrefetched() = 0;
  virtual void ClearPrefetched() = 0;
  virtual void Touch() = 0;  ///< updated_at = now. Not persisted at once.

  /// `listener` is called on whatever thread causes the event, so it must only post. Events that
  /// happened before are not repeated: look at the state after subscribing.
  [[nodiscard]] virtual std::unique_ptr<Subscription> Subscribe(
      std::function<void(const TaskEvent&)> listener) = 0;

  /// While a pin lives, garbage collection leaves the task alone.
  [[nodiscard]] virtual std::shared_ptr<void> Pin() = 0;
  [[nodiscard]] virtual bool pinned() const = 0;
  /// True once the task left the storage. What looked a task up and pinned it looks here
  /// afterwards: the removal may have come in between.
  [[nodiscard]] virtual bool removed() const = 0;
};

/// A task as garbage collection sees it.
struct StoredTaskSummary {
  TaskKind kind = TaskKind::kStandard;
  TaskId id;
  std::uint64_t content_length = 0;  ///< Bytes.
  TaskTimes times;
  bool complete = false;
  bool pinned = false;
  bool persistent = false;
  std::chrono::seconds ttl{0};
};

struct StorageOptions {
  std::string dir = "/var/lib/dragonfly/";  ///< storage.dir
  bool keep = false;                        ///< storage.keep: reuse what an earlier process left.
  std::uint64_t disk_threshold = 0;         ///< gc.policy.diskThreshold, bytes; 0 = the whole disk.
  /// Names the run of the kernel; empty = ask the kernel. Another than at the last start, without a
  /// clean stop in between, means that written pages may be lost.
  std::string boot_id{};
  /// Told of what was dropped or could not be recorded. Called on any thread.
  std::function<void(const std::string& text)> warn{};
};

struct DiskUsage {
  std::uint64_t total = 0;  ///< Bytes.
  std::uint64_t used = 0;
  std::uint64_t available = 0;
};

/// All tasks of this node. Thread-safe.
class Storage {
 public:
  /// Blocks. Creates directories, opens the metadata, drops unfinished pieces and content without a
  /// record, and (with !keep) everything. FailedPrecondition when another process uses the
  /// directory. Errors name the path and the reason. `clock` outlives storage and tasks.
  static absl::StatusOr<std::unique_ptr<Storage>> Open(StorageOptions options, const Clock& clock);

  /// Flushes metadata; blocks. Tasks still referenced stay readable.
  virtual ~Storage() = default;

  [[nodiscard]] virtual std::shared_ptr<StoredTask> Find(TaskKind kind, const TaskId& id) const = 0;
  [[nodiscard]] virtual std::vector<std::shared_ptr<StoredTask>> List() const = 0;
  /// The same tasks by value, without opening anything.
  [[nodiscard]] virtual std::vector<StoredTaskSummary> Summaries() const = 0;

  /// Returns the task, creating record and content file when absent; blocks. An existing task keeps
  /// its spec unless it holds no piece. ResourceExhausted "no space left …" when the disk has not
  /// enough room for the content; FailedPrecondition when an existing task with pieces has another
  /// content length or piece length. InvalidArgument for an id that is not lower-case hexadecimal
  /// of at most 128 digits, and for more than 2^24 pieces.
  virtual absl::StatusOr<std::shared_ptr<StoredTask>> Create(TaskSpec spec) = 0;

  /// Removes record, pieces and content file; blocks. Open readers keep reading. NotFound.
  virtual absl::Status Remove(TaskKind kind, const TaskId& id) = 0;
  /// The same, but FailedPrecondition when the task is pinned or was used after `not_used_since`:
  /// for garbage collection, whose choice may be out of date.
  virtual absl::Status RemoveUnused(TaskKind kind, const TaskId& id, WallTime not_used_since) = 0;

  /// Compares the pieces of a task that is not Intact() with their checksums, and removes it when
  /// one is wrong, so that a new download begins with a new file. Blocks. True when it was removed.
  /// Not to be called while the task is downloaded.
  virtual absl::StatusOr<bool> Inspect(TaskKind kind, const TaskId& id) = 0;

  [[nodiscard]] virtual absl::StatusOr<DiskUsage> Usage() const = 0;
};

}  // namespace dragonfly::dfdaemon
