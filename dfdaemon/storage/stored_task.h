#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/mutex.h"
#include "dfdaemon/storage/content_files.h"
#include "dfdaemon/storage/storage.h"
#include "dfdaemon/storage/task_state.h"

namespace dragonfly::dfdaemon {

/// Reads the piece and compares it with `crc32`. DataLoss when it differs, is shorter or cannot be
/// read; Cancelled when `stop` became true.
absl::Status CheckPieceBytes(int fd, std::uint64_t offset, std::uint64_t length,
                             std::uint32_t crc32, const std::atomic<bool>* stop = nullptr);

/// A task that somebody uses: its state and the descriptors of its content file.
class StoredTaskHandle final : public StoredTask,
                               public std::enable_shared_from_this<StoredTaskHandle> {
 public:
  StoredTaskHandle(std::shared_ptr<TaskState> state, std::shared_ptr<ContentFiles> files,
                   std::shared_ptr<Metadata> metadata);

  [[nodiscard]] const TaskSpec& spec() const override { return spec_; }
  [[nodiscard]] TaskTimes times() const override { return state_->Times(); }
  [[nodiscard]] PieceNumber piece_count() const override { return state_->layout().piece_count(); }
  [[nodiscard]] int content_fd() const override;
  [[nodiscard]] std::string content_path() const override;
  [[nodiscard]] bool HasPiece(PieceNumber number) const override;
  [[nodiscard]] std::optional<PieceRecord> Piece(PieceNumber number) const override {
    return state_->Piece(number);
  }
  [[nodiscard]] std::optional<PieceLocation> Locate(PieceNumber number) const override {
    return state_->Locate(number);
  }
  [[nodiscard]] std::shared_ptr<ComingPiece> Coming(PieceNumber number) const override {
    return state_->Coming(number);
  }
  [[nodiscard]] std::vector<PieceRecord> Pieces() const override { return state_->Pieces(); }
  [[nodiscard]] PieceNumber finished_pieces() const override { return state_->finished(); }
  [[nodiscard]] bool complete() const override { return state_->finished() == piece_count(); }
  absl::StatusOr<Claim> ClaimPiece(PieceNumber number) override;
  void DropPiece(PieceNumber number) override { state_->DropPiece(number); }
  void DropDamagedPiece(PieceNumber number) override { state_->DropDamagedPiece(number); }
  absl::Status VerifyPiece(PieceNumber number) override;
  [[nodiscard]] bool Intact() const override;
  void MarkFinished() override { state_->MarkFinished(); }
  void MarkFailed() override { state_->MarkFailed(); }
  void ClearFailed() override { state_->ClearFailed(); }
  bool MarkPrefetched() override { return state_->MarkPrefetched(); }
  void ClearPrefetched() override { state_->ClearPrefetched(); }
  void Touch() override { state_->Touch(); }
  [[nodiscard]] std::unique_ptr<Subscription> Subscribe(
      std::function<void(const TaskEvent&)> listener) override;
  [[nodiscard]] std::shared_ptr<void> Pin() override;
  [[nodiscard]] bool pinned() const override { return state_->pinned(); }
  [[nodiscard]] bool removed() const override { return state_->removed(); }

  /// For writing; opened by the first call. The system's error, or Aborted when the task was
  /// removed before that.
  absl::StatusOr<int> WriteFd();
  /// Remembers what the content file looks like once it is complete.
  void Settle();
  /// Compares all pieces with their checksums and drops the wrong ones. False when there is any, or
  /// the file has another name or length; the task is to be removed then.
  bool Recheck();
  /// Opens what has not been opened, before the file loses its name.
  void OpenBeforeRemoval();

  [[nodiscard]] const std::shared_ptr<TaskState>& state() const { return state_; }
  [[nodiscard]] Metadata& metadata() { return *metadata_; }

 private:
  const std::shared_ptr<TaskState> state_;
  const std::shared_ptr<ContentFiles> files_;
  const std::shared_ptr<Metadata> metadata_;
  const TaskSpec spec_;

  mutable Mutex mutex_;
  mutable FileDescriptor read_fd_ ABSL_GUARDED_BY(mutex_);
  FileDescriptor write_fd_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
