#include "dfdaemon/storage/content_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<TaskKind, std::string_view>, 3> kFolders = {{
    {TaskKind::kStandard, "tasks"},
    {TaskKind::kPersistent, "persistent-tasks"},
    {TaskKind::kPersistentCache, "persistent-cache-tasks"},
}};

std::string_view FolderOf(TaskKind kind) { return kFolders[static_cast<std::size_t>(kind)].second; }

// Ids shorter than three characters are a folder of their own.
std::string_view Prefix(const TaskId& id) { return std::string_view(id.str()).substr(0, 3); }

absl::Status Reserve(int fd, std::uint64_t length, const std::string& path) {
  if (length == 0) return absl::OkStatus();
  if (::ftruncate(fd, static_cast<off_t>(length)) != 0) {
    return DiskError(errno, StrCat("set length of ", path));
  }
  int error = 0;
  do {
    error = ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(length)) == 0 ? 0 : errno;
  } while (error == EINTR);
  // Not every file system can.
  if (error == 0 || error == EOPNOTSUPP || error == ENOSYS) return absl::OkStatus();
  return DiskError(error, StrCat("reserve space for ", path));
}

}  // namespace

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status DiskError(int error, std::string_view what) {
  const std::string reason = std::system_category().message(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(StrCat("no space left: ", what, ": ", reason));
    default:
      return absl::InternalError(StrCat(what, ": ", reason));
  }
}

ContentFiles::ContentFiles(std::string dir) : dir_(std::move(dir)) {}

std::string ContentFiles::Path(TaskKind kind, const TaskId& id) const {
  return StrCat(dir_, "/", FolderOf(kind), "/", Prefix(id), "/", id.str());
}

absl::Status ContentFiles::Create(TaskKind kind, const TaskId& id, std::uint64_t length) {
  const std::string path = Path(kind, id);
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return DiskError(error.value(), StrCat("create folder of ", path));
  // A new inode always: hard links of an older file belong to users.
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return DiskError(errno, StrCat("remove ", path));
  }
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return DiskError(errno, StrCat("create ", path));
  absl::Status status = Reserve(file.get(), length, path);
  if (!status.ok()) ::unlink(path.c_str());
  return status;
}

absl::Status ContentFiles::Remove(TaskKind kind, const TaskId& id) {
  const std::string path = Path(kind, id);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return DiskError(errno, StrCat("remove ", path));
  }
  return absl::OkStatus();
}

absl::StatusOr<FileStamp> ContentFiles::Stamp(TaskKind kind, const TaskId& id) const {
  const std::string path = Path(kind, id);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return absl::NotFoundError(path);
    return DiskError(errno, StrCat("stat ", path));
  }
  if (!S_ISREG(info.st_mode)) return absl::NotFoundError(StrCat(path, " is not a file"));
  return FileStamp{
      .inode = info.st_ino,
      .length = static_cast<std::uint64_t>(info.st_size),
      .changed_at = std::int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec};
}

FileDescriptor ContentFiles::Open(TaskKind kind, const TaskId& id, int flags) const {
  return FileDescriptor(::open(Path(kind, id).c_str(), flags | O_CLOEXEC | O_NOFOLLOW));
}

absl::Status ContentFiles::Sweep(const std::function<bool(TaskKind, const TaskId&)>& keep) {
  for (const auto& [kind, name] : kFolders) {
    const fs::path folder = fs::path(dir_) / name;
    std::error_code error;
    for (const auto& prefix : fs::directory_iterator(folder, error)) {
      std::error_code inner;
      for (const auto& file : fs::directory_iterator(prefix.path(), inner)) {
        const TaskId id(file.path().filename().string());
        if (prefix.path().filename().string() == Prefix(id) && keep(kind, id)) continue;
        fs::remove_all(file.path(), inner);
        if (inner) return DiskError(inner.value(), StrCat("remove ", file.path().string()));
      }
      // Only an empty folder goes; a stray file in its place too.
      fs::remove(prefix.path(), inner);
    }
    if (error && error != std::errc::no_such_file_or_directory) {
      return DiskError(error.value(), StrCat("read ", folder.string()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<DiskUsage> ContentFiles::FileSystemUsage() const {
  struct statvfs info{};
  if (::statvfs(dir_.c_str(), &info) != 0) return DiskError(errno, StrCat("statvfs ", dir_));
  DiskUsage usage;
  usage.total = static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize;
  usage.available = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  usage.used = usage.total - static_cast<std::uint64_t>(info.f_bfree) * info.f_frsize;
  return usage;
}

}  // namespace dragonfly::dfdaemon
