#include "dfdaemon/storage/storage_impl.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/ids/task_id.h"

namespace dragonfly::dfdaemon {
namespace {

namespace fs = std::filesystem;

// 64 TiB in pieces of 4 MiB; the index of such a task takes 512 MiB.
constexpr std::uint32_t kMaxPieces = 1U << 24U;
constexpr auto kMetadataTimeout = std::chrono::seconds(10);
// Longest time that a clean stop spends on writing content back.
constexpr auto kSyncTimeout = std::chrono::seconds(10);
// From the last write of a piece to the time in its record, which is taken a little earlier or later.
constexpr auto kPublishTime = std::chrono::seconds(2);

std::string KernelBootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id.empty() ? "unknown" : id;
}

// Not the folder itself: it may be a mount point.
absl::Status Empty(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    fs::remove_all(entry.path(), error);
    if (error) break;
  }
  if (!error || error == std::errc::no_such_file_or_directory) return absl::OkStatus();
  return DiskError(error.value(), StrCat("empty ", folder.string()));
}

absl::Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return DiskError(error.value(), StrCat("create ", folder.string()));
  return absl::OkStatus();
}

std::string WithoutSlashAtEnd(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> Storage::Open(StorageOptions options, const Clock& clock) {
  auto storage = std::make_unique<StorageImpl>(std::move(options), clock);
  RETURN_IF_ERROR(storage->Open());
  return storage;
}

StorageImpl::StorageImpl(StorageOptions options, const Clock& clock)
    : options_([&] {
        options.dir = WithoutSlashAtEnd(std::move(options.dir));
        if (!options.warn) options.warn = [](const std::string&) {};
        return std::move(options);
      }()),
      clock_(clock),
      files_(std::make_shared<ContentFiles>(StrCat(options_.dir, "/content"))) {}

absl::Status StorageImpl::Open() {
  const fs::path dir = options_.dir;
  RETURN_IF_ERROR(MakeFolder(dir));
  RETURN_IF_ERROR(LockDir());
  if (!options_.keep) {
    RETURN_IF_ERROR(Empty(dir / "metadata"));
    RETURN_IF_ERROR(Empty(dir / "content"));
  } else if (fs::exists(dir / "metadata" / "CURRENT")) {
    // A RocksDB of the original. Content without its records cannot be trusted.
    options_.warn(
        StrCat("discarding metadata and content of the original dfdaemon in ", options_.dir));
    RETURN_IF_ERROR(Empty(dir / "metadata"));
    RETURN_IF_ERROR(Empty(dir / "content"));
  }
  RETURN_IF_ERROR(MakeFolder(dir / "content"));
  const std::string boot_id = options_.boot_id.empty() ? KernelBootId() : options_.boot_id;
  absl::Status status = OpenMetadata(boot_id);
  if (status.ok()) status = Load();
  if (absl::IsDataLoss(status)) {
    options_.warn(
        StrCat("discarding metadata and content in ", options_.dir, ": ", status.message()));
    metadata_.reset();
    {
      const MutexLock lock(mutex_);
      tasks_.clear();
      content_bytes_ = 0;
    }
    RETURN_IF_ERROR(Empty(dir / "metadata"));
    RETURN_IF_ERROR(Empty(dir / "content"));
    RETURN_IF_ERROR(OpenMetadata(boot_id));
    status = Load();
  }
  return Annotate(status, StrCat("open metadata in ", options_.dir));
}

absl::Status StorageImpl::LockDir() {
  const std::string path = StrCat(options_.dir, "/storage.lock");
  lock_ = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!lock_.valid()) return DiskError(errno, StrCat("open ", path));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return DiskError(errno, StrCat("lock ", path));
  return absl::FailedPreconditionError(
      StrCat("storage directory ", options_.dir, " is in use by another process"));
}

absl::Status StorageImpl::OpenMetadata(const std::string& boot_id) {
  const std::string folder = StrCat(options_.dir, "/metadata");
  RETURN_IF_ERROR(MakeFolder(folder));
  ASSIGN_OR_RETURN(metadata_,
                   Metadata::Open(StrCat(folder, "/storage.db"), boot_id, options_.warn));
  return absl::OkStatus();
}

absl::Status StorageImpl::Load() {
  std::vector<std::int64_t> dropped;
  std::vector<std::shared_ptr<TaskState>> suspects;
  RETURN_IF_ERROR(metadata_->Load([&](TaskRow row, const std::vector<PieceRecord>& pieces) {
    const std::int64_t key = row.row;
    const bool suspect = row.suspect;
    std::shared_ptr<TaskState> state = Restore(std::move(row), pieces);
    if (state == nullptr) {
      dropped.push_back(key);
      return;
    }
    const MutexLock lock(mutex_);
    // Twice only in a damaged file.
    if (!tasks_.insert(Entry{state, {}}).second) {
      dropped.push_back(key);
      return;
    }
    content_bytes_ += state->layout().content_length();
    if (suspect) suspects.push_back(std::move(state));
  }));
  metadata_->Start();
  // Before any task of the same id can be created.
  Metadata::Ticket last = 0;
  for (const std::int64_t row : dropped) last = metadata_->DropTask(row);
  RETURN_IF_ERROR(metadata_->WaitFor(last, kMetadataTimeout));
  if (!dropped.empty()) {
    options_.warn(StrCat("dropped ", dropped.size(), " records without content in ", options_.dir));
  }
  RETURN_IF_ERROR(files_->Sweep([&](TaskKind kind, const TaskId& id) {
    const MutexLock lock(mutex_);
    return tasks_.contains(Key(kind, id));
  }));
  if (!suspects.empty()) {
    verifier_ = std::make_unique<Verifier>(std::move(suspects), files_, options_.warn);
  }
  return absl::OkStatus();
}

std::shared_ptr<TaskState> StorageImpl::Restore(TaskRow row,
                                                const std::vector<PieceRecord>& pieces) {
  const TaskSpec& spec = row.spec;
  if (!IsHexTaskId(spec.id.str()) || spec.kind > TaskKind::kPersistentCache) return nullptr;
  const auto layout = PieceLayout::Create(spec.content_length, spec.piece_length);
  if (!layout.ok() || layout->piece_count() > kMaxPieces) return nullptr;
  const auto stamp = files_->Stamp(spec.kind, spec.id);
  if (!stamp.ok() || stamp->length != spec.content_length) return nullptr;
  const bool suspect = row.suspect;
  auto state = std::make_shared<TaskState>(std::move(row), *layout, metadata_, clock_);
  for (const PieceRecord& piece : pieces) {
    if (!state->RestorePiece(piece, !suspect)) return nullptr;
  }
  if (!state->settled()) return state;
  state->Settle(*stamp);
  const auto last_piece = state->last_piece_at().time_since_epoch() + kPublishTime;
  // Somebody else wrote into it since.
  if (std::chrono::nanoseconds(stamp->changed_at) > last_piece) state->Doubt();
  return state;
}

StorageImpl::~StorageImpl() {
  verifier_.reset();
  if (metadata_ == nullptr) return;
  std::vector<std::shared_ptr<TaskState>> states;
  {
    const MutexLock lock(mutex_);
    recent_.fill(nullptr);
    for (const Entry& entry : tasks_) states.push_back(entry.state);
  }
  for (const auto& state : states) state->SaveTimes();
  const bool clean = options_.keep && SyncContent();
  const absl::Status status = metadata_->Close(clean);
  if (!status.ok()) options_.warn(StrCat("close metadata: ", status.ToString()));
}

bool StorageImpl::SyncContent() {
  const auto deadline = std::chrono::steady_clock::now() + kSyncTimeout;
  const MutexLock lock(mutex_);
  for (const Entry& entry : tasks_) {
    if (!entry.state->written()) continue;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    const FileDescriptor file = files_->Open(entry.state->kind(), entry.state->id(), O_RDONLY);
    if (!file.valid() || ::fdatasync(file.get()) != 0) return false;
  }
  return true;
}

std::shared_ptr<StoredTaskHandle> StorageImpl::HandleOf(const Entry& entry) const {
  std::shared_ptr<StoredTaskHandle> handle = entry.handle.lock();
  if (handle == nullptr) {
    // Not make_shared: the entry refers to it for ever, which would keep its memory.
    handle.reset(new StoredTaskHandle(entry.state, files_, metadata_));
    entry.handle = handle;
  }
  return handle;
}

std::shared_ptr<StoredTask> StorageImpl::Find(TaskKind kind, const TaskId& id) const {
  std::shared_ptr<StoredTaskHandle> replaced;  // Closes its files after the lock is gone.
  const MutexLock lock(mutex_);
  const auto found = tasks_.find(Key(kind, id));
  if (found == tasks_.end() || found->state->removed()) return nullptr;
  const bool is_new = found->handle.expired();
  std::shared_ptr<StoredTaskHandle> handle = HandleOf(*found);
  if (is_new) {
    replaced = std::exchange(recent_[next_recent_++ % recent_.size()], handle);
    if (verifier_ != nullptr) verifier_->Hurry(*handle->state());
  }
  return handle;
}

std::vector<std::shared_ptr<StoredTask>> StorageImpl::List() const {
  std::vector<std::shared_ptr<StoredTask>> tasks;
  const MutexLock lock(mutex_);
  tasks.reserve(tasks_.size());
  for (const Entry& entry : tasks_) {
    if (!entry.state->removed()) tasks.push_back(HandleOf(entry));
  }
  return tasks;
}

std::vector<StoredTaskSummary> StorageImpl::Summaries() const {
  std::vector<StoredTaskSummary> summaries;
  const MutexLock lock(mutex_);
  summaries.reserve(tasks_.size());
  for (const Entry& entry : tasks_) {
    if (!entry.state->removed()) summaries.push_back(entry.state->Summary());
  }
  return summaries;
}

absl::StatusOr<std::shared_ptr<StoredTask>> StorageImpl::UseExisting(const TaskSpec& spec) {
  const auto found = tasks_.find(Key(spec.kind, spec.id));
  if (found == tasks_.end()) return nullptr;
  TaskState& state = *found->state;
  const PieceLayout& layout = state.layout();
  const bool same_lengths =
      layout.content_length() == spec.content_length && layout.piece_length() == spec.piece_length;
  if (!same_lengths && state.HoldsPieces()) {
    return absl::FailedPreconditionError(
        StrCat("task has ", layout.content_length(), " bytes in pieces of ", layout.piece_length(),
               ", not ", spec.content_length, " in pieces of ", spec.piece_length));
  }
  if (!same_lengths) return nullptr;
  const bool in_use = state.started() > 0 || state.pinned();
  if (!in_use && state.Spec().response_headers != spec.response_headers) return nullptr;
  return HandleOf(*found);
}

absl::StatusOr<std::shared_ptr<StoredTask>> StorageImpl::Create(TaskSpec spec) {
  if (!IsHexTaskId(spec.id.str())) {
    return absl::InvalidArgumentError(
        "task id is not lower-case hexadecimal of at most 128 digits");
  }
  ASSIGN_OR_RETURN(const PieceLayout layout,
                   PieceLayout::Create(spec.content_length, spec.piece_length));
  if (layout.piece_count() > kMaxPieces) {
    return absl::InvalidArgumentError(StrCat(layout.piece_count(), " pieces are too many"));
  }
  const Key key(spec.kind, spec.id);
  std::shared_ptr<TaskState> replaced;
  {
    const MutexLock lock(mutex_);
    while (busy_.contains(key)) idle_.Wait(mutex_);
    ASSIGN_OR_RETURN(std::shared_ptr<StoredTask> existing, UseExisting(spec));
    if (existing != nullptr) return existing;
    busy_.insert(key);
    if (const auto found = tasks_.find(key); found != tasks_.end()) {
      replaced = found->state;
    }
  }
  absl::Status status;
  if (replaced != nullptr) status = RemoveBusy(key, replaced, std::nullopt);
  if (status.ok()) status = CreateContent(spec);

  const MutexLock lock(mutex_);
  busy_.erase(key);
  idle_.NotifyAll();
  RETURN_IF_ERROR(status);
  TaskRow row;
  row.row = metadata_->NewRow();
  row.times.created_at = row.times.updated_at = clock_.WallNow();
  row.spec = std::move(spec);
  metadata_->PutTask(row);
  auto state = std::make_shared<TaskState>(std::move(row), layout, metadata_, clock_);
  return HandleOf(*tasks_.insert(Entry{std::move(state), {}}).first);
}

// With the key marked as busy. Adds to content_bytes_ on success.
absl::Status StorageImpl::CreateContent(const TaskSpec& spec) {
  ASSIGN_OR_RETURN(const DiskUsage disk, files_->FileSystemUsage());
  Metadata::Ticket last_removal = 0;
  {
    const MutexLock lock(mutex_);
    const DiskUsage usage = WithThreshold(disk);
    if (usage.available < spec.content_length) {
      return absl::ResourceExhaustedError(StrCat("no space left: content of ", spec.content_length,
                                                 " bytes, available ", usage.available, " in ",
                                                 options_.dir));
    }
    content_bytes_ += spec.content_length;
    last_removal = last_removal_;
  }
  // Pieces that were recorded under this id must be forgotten before there is new content that they
  // would describe.
  absl::Status status = metadata_->WaitFor(last_removal, kMetadataTimeout);
  if (status.ok()) status = files_->Create(spec.kind, spec.id, spec.content_length);
  if (!status.ok()) {
    const MutexLock lock(mutex_);
    content_bytes_ -= spec.content_length;
  }
  return status;
}

absl::Status StorageImpl::Remove(TaskKind kind, const TaskId& id) {
  return RemoveTask(Key(kind, id), std::nullopt);
}

absl::Status StorageImpl::RemoveUnused(TaskKind kind, const TaskId& id, WallTime not_used_since) {
  return RemoveTask(Key(kind, id), not_used_since);
}

absl::StatusOr<bool> StorageImpl::Inspect(TaskKind kind, const TaskId& id) {
  const Key key(kind, id);
  std::shared_ptr<StoredTaskHandle> handle;
  {
    const MutexLock lock(mutex_);
    const auto found = tasks_.find(key);
    if (found == tasks_.end() || found->state->removed()) return false;
    handle = HandleOf(*found);
  }
  if (handle->Intact() || handle->Recheck()) return false;
  options_.warn(StrCat("content was changed or damaged, it will be fetched again: ",
                       files_->Path(kind, id)));
  RETURN_IF_ERROR(RemoveTask(key, std::nullopt, handle->state().get()));
  return true;
}

absl::Status StorageImpl::RemoveTask(const Key& key, std::optional<WallTime> not_used_since,
                                     const TaskState* only) {
  std::shared_ptr<TaskState> state;
  {
    const MutexLock lock(mutex_);
    while (busy_.contains(key)) idle_.Wait(mutex_);
    const auto found = tasks_.find(key);
    if (only != nullptr && (found == tasks_.end() || found->state.get() != only)) {
      return absl::OkStatus();
    }
    if (found == tasks_.end()) return absl::NotFoundError("no such task");
    state = found->state;
    busy_.insert(key);
  }
  const absl::Status status = RemoveBusy(key, state, not_used_since);
  const MutexLock lock(mutex_);
  busy_.erase(key);
  idle_.NotifyAll();
  return status;
}

absl::Status StorageImpl::RemoveBusy(const Key& key, const std::shared_ptr<TaskState>& state,
                                     std::optional<WallTime> not_used_since) {
  Metadata::Ticket ticket = 0;
  if (!state->Remove(not_used_since, ticket)) {
    return absl::FailedPreconditionError("task is in use");
  }
  std::shared_ptr<StoredTaskHandle> handle;
  {
    const MutexLock lock(mutex_);
    last_removal_ = std::max(last_removal_, ticket);
    content_bytes_ -= state->layout().content_length();
    const auto found = tasks_.find(key);
    for (auto& recent : recent_) {
      if (recent != nullptr && recent->state() == state) recent.reset();
    }
    handle = found->handle.lock();
    tasks_.erase(found);
  }
  if (handle != nullptr) handle->OpenBeforeRemoval();
  return files_->Remove(key.first, key.second);
}

DiskUsage StorageImpl::WithThreshold(DiskUsage disk) const {
  if (options_.disk_threshold == 0) return disk;
  DiskUsage usage;
  usage.total = options_.disk_threshold;
  usage.used = content_bytes_;
  const std::uint64_t left = usage.total - std::min(usage.total, usage.used);
  usage.available = std::min(left, disk.available);
  return usage;
}

absl::StatusOr<DiskUsage> StorageImpl::Usage() const {
  ASSIGN_OR_RETURN(const DiskUsage disk, files_->FileSystemUsage());
  const MutexLock lock(mutex_);
  return WithThreshold(disk);
}

}  // namespace dragonfly::dfdaemon
