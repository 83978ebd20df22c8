#include "dfdaemon/task/content_hasher.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::size_t kReadBuffer = 256 * kKiB;
// Bytes per job of the pool, so that a download that is stopped does not wait for long.
constexpr std::uint64_t kJobBytes = 64 * kMiB;

}  // namespace

struct ContentHasher::Progress {
  std::vector<Hasher> hashers;
  PieceNumber next = 0;  // First piece that is not hashed.
  std::uint64_t offset = 0;
  absl::Status status;

  // In the pool.
  absl::Status Advance(int fd, PieceNumber end, std::uint64_t end_offset) {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(kReadBuffer, end_offset - offset));
    while (offset < end_offset) {
      const ssize_t got =
          ::pread(fd, buffer.data(), std::min<std::uint64_t>(buffer.size(), end_offset - offset),
                  static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        status = absl::DataLossError(
            StrCat("read content for its digest: ",
                   got == 0 ? "the file is too short" : std::strerror(errno)));
        return status;
      }
      const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
      for (Hasher& hasher : hashers) hasher.Update(bytes);
      offset += static_cast<std::uint64_t>(got);
    }
    next = end;
    return absl::OkStatus();
  }
};

ContentHasher::ContentHasher(std::shared_ptr<StoredTask> task, BlockingPool& pool,
                             const std::vector<DigestAlgorithm>& algorithms)
    : task_(std::move(task)), pool_(pool), algorithms_(algorithms) {}

absl::Status ContentHasher::Begin() {
  auto progress = std::make_shared<Progress>();
  for (const DigestAlgorithm algorithm : algorithms_) {
    ASSIGN_OR_RETURN(Hasher hasher, Hasher::Create(algorithm));
    progress->hashers.push_back(std::move(hasher));
  }
  progress_ = std::move(progress);
  stale_ = false;
  return absl::OkStatus();
}

// The end of the run of finished pieces behind what is hashed, as far as one job goes.
PieceNumber ContentHasher::ReadyUntil() const {
  const PieceNumber count = task_->piece_count();
  const auto most = static_cast<PieceNumber>(
      std::max<std::uint64_t>(1, kJobBytes / task_->spec().piece_length));
  PieceNumber end = progress_->next;
  while (end < count && end - progress_->next < most && task_->HasPiece(end)) ++end;
  return end;
}

Awaitable<absl::Status> ContentHasher::HashUntil(PieceNumber end) {
  const int fd = task_->content_fd();
  if (fd < 0) co_return absl::DataLossError("open content for its digest");
  const TaskSpec& spec = task_->spec();
  const std::uint64_t end_offset =
      std::min<std::uint64_t>(end * spec.piece_length, spec.content_length);
  // The job owns what it works on: it runs to its end when the download is stopped meanwhile.
  auto job = [progress = progress_, task = task_, fd, end, end_offset] {
    return progress->Advance(fd, end, end_offset);
  };
  co_return co_await pool_.Run(std::move(job));
}

Awaitable<> ContentHasher::Follow(Notifier changed) {
  if (progress_ == nullptr && !Begin().ok()) co_return;
  while (progress_->next < task_->piece_count()) {
    const auto version = changed.version();
    if (stale_ || !progress_->status.ok()) co_return;
    const PieceNumber end = ReadyUntil();
    if (end > progress_->next) {
      (void)co_await HashUntil(end);
      continue;
    }
    (void)co_await changed.WaitPast(version);
  }
}

Awaitable<absl::StatusOr<std::vector<Digest>>> ContentHasher::Finish() {
  if (stale_ || progress_ == nullptr) CO_RETURN_IF_ERROR(Begin());
  CO_RETURN_IF_ERROR(progress_->status);
  while (progress_->next < task_->piece_count()) {
    const PieceNumber end = ReadyUntil();
    if (end == progress_->next) {
      co_return absl::DataLossError(StrCat("piece ", end, " is gone"));
    }
    CO_RETURN_IF_ERROR(co_await HashUntil(end));
  }
  std::vector<Digest> digests;
  for (Hasher& hasher : progress_->hashers) digests.push_back(hasher.Finish());
  progress_.reset();
  co_return digests;
}

}  // namespace dragonfly::dfdaemon
