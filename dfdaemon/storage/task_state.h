#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/ids/piece_math.h"
#include "dfdaemon/storage/content_files.h"
#include "dfdaemon/storage/metadata.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// What stays in memory of every task, used or not: its pieces, times and listeners. Small, because
/// there may be many; the descriptors belong to the StoredTask that somebody holds. Thread-safe and
/// never blocks, but for PublishPiece, which may wait for the queue of records.
class TaskState {
 public:
  enum class PieceState : std::uint8_t {
    kAbsent,
    kClaimed,     // Somebody writes it.
    kUnverified,  // Recorded before a power loss; being compared with its checksum.
    kFinished,
  };

  /// `layout` is that of row.spec.
  TaskState(TaskRow row, PieceLayout layout, std::shared_ptr<Metadata> metadata,
            const Clock& clock);

  [[nodiscard]] TaskKind kind() const { return kind_; }
  [[nodiscard]] const TaskId& id() const { return id_; }
  [[nodiscard]] const PieceLayout& layout() const { return layout_; }
  [[nodiscard]] TaskSpec Spec() const;
  [[nodiscard]] TaskTimes Times() const;
  [[nodiscard]] StoredTaskSummary Summary() const;

  /// Takes what a database said. False when it contradicts the layout. `verified`: no need to look
  /// at the bytes.
  bool RestorePiece(const PieceRecord& record, bool verified);

  [[nodiscard]] PieceState StateOf(PieceNumber number) const;
  [[nodiscard]] std::optional<PieceRecord> Piece(PieceNumber number) const;
  [[nodiscard]] std::optional<PieceLocation> Locate(PieceNumber number) const;
  [[nodiscard]] std::vector<PieceRecord> Pieces() const;
  [[nodiscard]] PieceNumber finished() const;
  /// Pieces that are finished, unverified or claimed.
  [[nodiscard]] PieceNumber started() const;
  [[nodiscard]] bool HoldsPieces() const;

  /// kAbsent becomes kClaimed; returns what it was.
  PieceState Claim(PieceNumber number);
  void Unclaim(PieceNumber number);
  /// A claimed piece may be passed on while it is written, until it is published, unclaimed or
  /// lost.
  void PassOn(std::shared_ptr<ComingPiece> piece);
  void Lose(PieceNumber number);
  [[nodiscard]] std::shared_ptr<ComingPiece> Coming(PieceNumber number) const;
  void PublishPiece(const PieceRecord& record);
  void DropPiece(PieceNumber number);
  void DropDamagedPiece(PieceNumber number);
  /// The ticket of the last dropped piece's record. Its bytes must not be overwritten before.
  [[nodiscard]] Metadata::Ticket last_drop() const;

  /// The checksum of the next unverified piece at or after `from`.
  struct Unverified {
    PieceNumber number = 0;
    std::optional<std::uint32_t> crc32;
  };
  [[nodiscard]] std::optional<Unverified> NextUnverified(PieceNumber from) const;
  void Verified(PieceNumber number, bool good);
  void AllVerified();

  void MarkFinished();
  void MarkFailed();
  void ClearFailed();
  bool MarkPrefetched();
  void ClearPrefetched();
  void Touch();
  /// Queues the times, with what Touch() did not write.
  void SaveTimes();

  /// Takes the task out of the records and tells listeners. Nothing is recorded afterwards. With
  /// `not_used_since`: only if it is not pinned and not used since; false otherwise.
  bool Remove(std::optional<WallTime> not_used_since, Metadata::Ticket& ticket);
  [[nodiscard]] bool removed() const;

  using Listener = std::function<void(const TaskEvent&)>;
  std::uint64_t AddListener(Listener listener);
  /// Waits for a call that is under way.
  void RemoveListener(std::uint64_t key);

  void Pin();
  void Unpin();
  [[nodiscard]] bool pinned() const;

  /// Serialises writes into the content file: ext4 takes a lock of the inode for every one, and
  /// threads that wait for it spin.
  Mutex& write_mutex() ABSL_LOCK_RETURNED(write_mutex_) { return write_mutex_; }
  /// The content file is about to change.
  void MarkWritten();
  /// Bytes were written by this process.
  [[nodiscard]] bool written() const { return written_.load(std::memory_order_relaxed); }

  /// All pieces are here and nobody writes.
  [[nodiscard]] bool settled() const;
  /// What the content file looks like now; without effect unless settled().
  void Settle(const FileStamp& stamp);
  [[nodiscard]] std::optional<FileStamp> stamp() const;
  /// The content file is not to be trusted until the next Settle().
  void Doubt();
  [[nodiscard]] bool doubtful() const;
  /// When the youngest piece was finished.
  [[nodiscard]] WallTime last_piece_at() const;

 private:
  // One per piece; parents are kept once per task.
  struct Slot {
    std::int64_t cost = 0;        // Nanoseconds.
    std::int64_t created_at = 0;  // Nanoseconds since 1970.
    std::uint32_t crc32 = 0;
    std::uint32_t parent = 0;  // Index in parents_.
    PieceState state = PieceState::kAbsent;
    TrafficType traffic_type = TrafficType::kBackToSource;
    bool has_crc32 = false;
  };

  std::shared_ptr<ComingPiece> TakeComing(PieceNumber number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Slot& Fill(const PieceRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::uint32_t InternParent(const PeerId& parent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  [[nodiscard]] PieceRecord RecordOf(PieceNumber number) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SaveTimesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(TaskEvent event) ABSL_LOCKS_EXCLUDED(mutex_, listeners_mutex_);

  const TaskKind kind_;
  const TaskId id_;
  const std::int64_t row_;
  const PieceLayout layout_;
  const bool persistent_;
  const std::chrono::seconds ttl_;
  const std::string packed_headers_;  // Name and value in turn, each with a length before it.
  const std::shared_ptr<Metadata> metadata_;
  const Clock& clock_;

  std::atomic<bool> written_{false};
  Mutex write_mutex_;

  mutable Mutex mutex_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
  // Only grows, and the texts stay where they are: locations of pieces point to them.
  std::vector<std::unique_ptr<const PeerId>> parents_ ABSL_GUARDED_BY(mutex_);
  // Few: as many as are received at once.
  std::vector<std::shared_ptr<ComingPiece>> coming_ ABSL_GUARDED_BY(mutex_);
  PieceNumber finished_ ABSL_GUARDED_BY(mutex_) = 0;
  PieceNumber unverified_ ABSL_GUARDED_BY(mutex_) = 0;
  PieceNumber claimed_ ABSL_GUARDED_BY(mutex_) = 0;
  TaskTimes times_ ABSL_GUARDED_BY(mutex_);
  WallTime saved_updated_at_ ABSL_GUARDED_BY(mutex_);
  Metadata::Ticket last_drop_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint32_t pins_ ABSL_GUARDED_BY(mutex_) = 0;
  bool removed_ ABSL_GUARDED_BY(mutex_) = false;
  bool doubtful_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<FileStamp> stamp_ ABSL_GUARDED_BY(mutex_);

  // Held while listeners run, so that one that was removed is not running.
  Mutex listeners_mutex_;
  std::uint64_t next_listener_ ABSL_GUARDED_BY(listeners_mutex_) = 0;
  std::vector<std::pair<std::uint64_t, Listener>> listeners_ ABSL_GUARDED_BY(listeners_mutex_);
};

}  // namespace dragonfly::dfdaemon
