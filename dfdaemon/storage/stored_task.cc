#include "dfdaemon/storage/stored_task.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/digest/digest.h"

namespace dragonfly::dfdaemon {
namespace {

// How long a writer waits for the record of a dropped piece to be gone.
constexpr auto kDropTimeout = std::chrono::seconds(10);

class ContentPieceWriter final : public PieceWriter {
 public:
  ContentPieceWriter(std::shared_ptr<StoredTaskHandle> task, PieceSpan span, Metadata::Ticket drop)
      : task_(std::move(task)), span_(span), drop_(drop) {}

  ~ContentPieceWriter() override {
    if (!committed_) task_->state()->Unclaim(span_.number);
  }

  [[nodiscard]] PieceNumber number() const override { return span_.number; }
  [[nodiscard]] std::uint64_t offset() const override { return span_.offset; }
  [[nodiscard]] std::uint64_t length() const override { return span_.length; }
  [[nodiscard]] std::uint64_t written() const override { return written_; }
  [[nodiscard]] std::uint32_t crc32() const override { return crc32_; }

  absl::Status Append(std::span<const std::byte> bytes) override;
  void PassOn(std::uint32_t promised_crc32, PeerId parent_id) override;
  void Restart() override {
    if (coming_ != nullptr) task_->state()->Lose(span_.number);
    coming_.reset();
    written_ = 0;
    crc32_ = 0;
  }
  absl::Status Commit(PieceRecord record, std::optional<std::uint32_t> expected_crc32) override;

 private:
  absl::Status Open();
  absl::Status Write(std::span<const std::byte> bytes);

  const std::shared_ptr<StoredTaskHandle> task_;
  const PieceSpan span_;
  const Metadata::Ticket drop_;
  int fd_ = -1;  // The task's.
  std::uint64_t written_ = 0;
  std::uint32_t crc32_ = 0;
  std::shared_ptr<ComingPiece> coming_;
  bool committed_ = false;
};

absl::Status ContentPieceWriter::Open() {
  if (fd_ >= 0) return absl::OkStatus();
  // A record of older bytes must not outlive them: were the process killed half-way, it would call
  // a mixture of both a finished piece.
  if (drop_ != 0) RETURN_IF_ERROR(task_->metadata().WaitFor(drop_, kDropTimeout));
  ASSIGN_OR_RETURN(fd_, task_->WriteFd());
  task_->state()->MarkWritten();
  return absl::OkStatus();
}

absl::Status ContentPieceWriter::Append(std::span<const std::byte> bytes) {
  if (committed_) return absl::FailedPreconditionError("piece was committed");
  if (bytes.size() > span_.length - written_) {
    return absl::OutOfRangeError(
        StrCat("piece of ", span_.length, " bytes would grow to ", written_ + bytes.size()));
  }
  if (bytes.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(Open());
  // The checksum first: it brings the bytes into the cache for the copy.
  const std::uint32_t crc32 = Crc32(crc32_, bytes);
  RETURN_IF_ERROR(Write(bytes));
  crc32_ = crc32;
  written_ += bytes.size();
  if (coming_ != nullptr) coming_->Written(written_);
  return absl::OkStatus();
}

void ContentPieceWriter::PassOn(std::uint32_t promised_crc32, PeerId parent_id) {
  if (committed_ || coming_ != nullptr) return;
  PieceLocation location;
  location.offset = span_.offset;
  location.length = span_.length;
  location.crc32 = promised_crc32;
  coming_ = std::make_shared<ComingPiece>(span_.number, location, std::move(parent_id));
  if (written_ > 0) coming_->Written(written_);
  task_->state()->PassOn(coming_);
}

absl::Status ContentPieceWriter::Write(std::span<const std::byte> bytes) {
  std::uint64_t at = span_.offset + written_;
  const MutexLock lock(task_->state()->write_mutex());
  while (!bytes.empty()) {
    const ssize_t done = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (done < 0) {
      if (errno == EINTR) continue;
      return DiskError(errno, StrCat("write ", task_->content_path()));
    }
    if (done == 0) return DiskError(EIO, StrCat("write ", task_->content_path()));
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    at += static_cast<std::uint64_t>(done);
  }
  return absl::OkStatus();
}

absl::Status ContentPieceWriter::Commit(PieceRecord record,
                                        std::optional<std::uint32_t> expected_crc32) {
  if (committed_) return absl::FailedPreconditionError("piece was committed");
  if (written_ != span_.length) {
    return absl::FailedPreconditionError(
        StrCat("piece has ", written_, " of ", span_.length, " bytes"));
  }
  if (expected_crc32.has_value() && *expected_crc32 != crc32_) {
    return absl::DataLossError(StrCat("piece has crc32 ", crc32_, ", expected ", *expected_crc32));
  }
  record.number = span_.number;
  record.offset = span_.offset;
  record.length = span_.length;
  record.crc32 = crc32_;
  committed_ = true;
  task_->state()->PublishPiece(record);
  task_->Settle();
  return absl::OkStatus();
}

class ListenerSubscription final : public Subscription {
 public:
  ListenerSubscription(std::shared_ptr<TaskState> state, TaskState::Listener listener)
      : state_(std::move(state)), key_(state_->AddListener(std::move(listener))) {}
  ~ListenerSubscription() override { state_->RemoveListener(key_); }

 private:
  const std::shared_ptr<TaskState> state_;
  const std::uint64_t key_;
};

}  // namespace

absl::Status CheckPieceBytes(int fd, std::uint64_t offset, std::uint64_t length,
                             std::uint32_t crc32, const std::atomic<bool>* stop) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(length, 256 * kKiB));
  std::uint32_t actual = 0;
  while (length > 0) {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) {
      return absl::CancelledError("check piece: storage is closing");
    }
    const ssize_t got = ::pread(fd, buffer.data(), std::min<std::uint64_t>(length, buffer.size()),
                                static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::DataLossError(DiskError(errno, "read content").message());
    if (got == 0) return absl::DataLossError("content file ends before the piece does");
    const auto size = static_cast<std::size_t>(got);
    actual = Crc32(actual, std::span(buffer).first(size));
    offset += size;
    length -= size;
  }
  if (actual != crc32) {
    return absl::DataLossError(StrCat("piece has crc32 ", actual, ", expected ", crc32));
  }
  return absl::OkStatus();
}

StoredTaskHandle::StoredTaskHandle(std::shared_ptr<TaskState> state,
                                   std::shared_ptr<ContentFiles> files,
                                   std::shared_ptr<Metadata> metadata)
    : state_(std::move(state)),
      files_(std::move(files)),
      metadata_(std::move(metadata)),
      spec_(state_->Spec()) {}

int StoredTaskHandle::content_fd() const {
  const MutexLock lock(mutex_);
  // By its name only as long as the name is this task's.
  if (!read_fd_.valid() && !state_->removed()) {
    read_fd_ = files_->Open(state_->kind(), state_->id(), O_RDONLY);
  }
  return read_fd_.get();
}

std::string StoredTaskHandle::content_path() const {
  return files_->Path(state_->kind(), state_->id());
}

bool StoredTaskHandle::HasPiece(PieceNumber number) const {
  return state_->StateOf(number) == TaskState::PieceState::kFinished;
}

absl::StatusOr<int> StoredTaskHandle::WriteFd() {
  const MutexLock lock(mutex_);
  if (write_fd_.valid()) return write_fd_.get();
  if (state_->removed()) return absl::AbortedError("task was removed");
  write_fd_ = files_->Open(state_->kind(), state_->id(), O_WRONLY);
  if (!write_fd_.valid()) return DiskError(errno, StrCat("open ", content_path()));
  return write_fd_.get();
}

void StoredTaskHandle::OpenBeforeRemoval() {
  const MutexLock lock(mutex_);
  if (!read_fd_.valid()) read_fd_ = files_->Open(state_->kind(), state_->id(), O_RDONLY);
  if (!write_fd_.valid() && state_->finished() < state_->layout().piece_count()) {
    write_fd_ = files_->Open(state_->kind(), state_->id(), O_WRONLY);
  }
}

absl::StatusOr<StoredTask::Claim> StoredTaskHandle::ClaimPiece(PieceNumber number) {
  if (number >= piece_count()) {
    return absl::OutOfRangeError(StrCat("no piece ", number, " among ", piece_count()));
  }
  Claim claim;
  switch (state_->Claim(number)) {
    case TaskState::PieceState::kAbsent:
      claim.result = ClaimResult::kClaimed;
      claim.writer = std::make_unique<ContentPieceWriter>(
          shared_from_this(), state_->layout().At(number), state_->last_drop());
      break;
    case TaskState::PieceState::kFinished:
      claim.result = ClaimResult::kFinished;
      break;
    case TaskState::PieceState::kClaimed:
    case TaskState::PieceState::kUnverified:
      claim.result = ClaimResult::kInProgress;
      break;
  }
  return claim;
}

absl::Status StoredTaskHandle::VerifyPiece(PieceNumber number) {
  const auto location = state_->Locate(number);
  if (!location.has_value()) return absl::NotFoundError(StrCat("no piece ", number));
  if (!location->crc32.has_value()) return absl::OkStatus();
  const int fd = content_fd();
  if (fd < 0) return absl::InternalError("check piece: cannot open content");
  absl::Status status = CheckPieceBytes(fd, location->offset, location->length, *location->crc32);
  if (absl::IsDataLoss(status)) state_->DropDamagedPiece(number);
  return status;
}

bool StoredTaskHandle::Intact() const {
  if (state_->removed()) return true;
  if (state_->doubtful()) return false;
  const auto known = state_->stamp();
  if (!known) return true;
  const auto now = files_->Stamp(state_->kind(), state_->id());
  return now.ok() && *now == *known;
}

void StoredTaskHandle::Settle() {
  if (!state_->settled() || state_->removed()) return;
  const auto stamp = files_->Stamp(state_->kind(), state_->id());
  if (stamp.ok()) state_->Settle(*stamp);
}

bool StoredTaskHandle::Recheck() {
  const auto before = files_->Stamp(state_->kind(), state_->id());
  struct stat opened{};
  if (!before.ok() || before->length != spec_.content_length ||
      ::fstat(content_fd(), &opened) != 0 || opened.st_ino != before->inode) {
    return false;
  }
  bool good = state_->settled();
  for (PieceNumber number = 0; number < piece_count(); ++number) {
    if (HasPiece(number) && !VerifyPiece(number).ok()) good = false;
  }
  // A change that comes meanwhile makes another stamp.
  if (good) state_->Settle(*before);
  return good;
}

std::unique_ptr<Subscription> StoredTaskHandle::Subscribe(
    std::function<void(const TaskEvent&)> listener) {
  return std::make_unique<ListenerSubscription>(state_, std::move(listener));
}

std::shared_ptr<void> StoredTaskHandle::Pin() {
  state_->Pin();
  return {static_cast<void*>(this), [self = shared_from_this()](void*) { self->state_->Unpin(); }};
}

}  // namespace dragonfly::dfdaemon
