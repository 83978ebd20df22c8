#include "dfdaemon/output/output_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::size_t kCopyChunk = 8U << 20U;
constexpr std::size_t kCopyBuffer = 256U << 10U;
constexpr mode_t kMode = 0644;
constexpr int kNameAttempts = 16;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd& operator=(Fd&&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

absl::Status Failure(int error, std::string_view action, const std::string& path) {
  std::string text = StrCat(action, " ", path, ": ", std::strerror(error));
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

absl::Status Taken(const std::string& path) {
  return absl::AlreadyExistsError(StrCat("output path ", path, " is already exists"));
}

std::string FolderOf(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A name in the folder of `path` that nobody uses. Unique within the process and between processes;
// who creates it still insists on being the one.
std::string TemporaryName(const std::string& path) {
  static std::atomic<std::uint64_t> counter{0};
  return StrCat(FolderOf(path), "/.dragonfly-", ::getpid(), "-", counter.fetch_add(1), ".tmp");
}

enum class Present { kNothing, kContent, kOther, kFolder, kDevice, kPipe };

Present LookAt(const std::string& path, const std::string& content_path) {
  struct stat there{};
  if (::lstat(path.c_str(), &there) != 0) return Present::kNothing;
  if (S_ISDIR(there.st_mode)) return Present::kFolder;
  if (S_ISCHR(there.st_mode) || S_ISBLK(there.st_mode)) return Present::kDevice;
  if (S_ISFIFO(there.st_mode) || S_ISSOCK(there.st_mode)) return Present::kPipe;
  struct stat content{};
  if (::stat(content_path.c_str(), &content) == 0 && content.st_dev == there.st_dev &&
      content.st_ino == there.st_ino) {
    return Present::kContent;
  }
  return Present::kOther;
}

absl::Status NoFile(const std::string& path) {
  return absl::InternalError(StrCat("output path ", path, " is a folder, a pipe or a socket"));
}

// Gives the file `from` the name `path`: rename() replaces what is there in one step, and without
// overwrite the kernel refuses in one step.
absl::Status MoveIntoPlace(const std::string& from, const OutputRequest& request) {
  const unsigned flags = request.overwrite ? 0U : static_cast<unsigned>(RENAME_NOREPLACE);
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, request.path.c_str(), flags) == 0) {
    return absl::OkStatus();
  }
  int error = errno;
  if (!request.overwrite && (error == EINVAL || error == ENOSYS)) {
    // A file system without RENAME_NOREPLACE.
    if (::link(from.c_str(), request.path.c_str()) == 0) {
      ::unlink(from.c_str());
      return absl::OkStatus();
    }
    error = errno;
  }
  ::unlink(from.c_str());
  if (error == EEXIST) return Taken(request.path);
  return Failure(error, "rename to", request.path);
}

// Nothing when the file systems or permissions do not allow a hard link.
std::optional<absl::Status> TryHardLink(const OutputRequest& request,
                                        const std::string& content_path) {
  if (!request.overwrite) {
    if (::link(content_path.c_str(), request.path.c_str()) == 0) return absl::OkStatus();
    if (errno == EEXIST) return Taken(request.path);
    return std::nullopt;
  }
  for (int i = 0; i < kNameAttempts; ++i) {
    const std::string name = TemporaryName(request.path);
    if (::link(content_path.c_str(), name.c_str()) == 0) return MoveIntoPlace(name, request);
    if (errno != EEXIST) return std::nullopt;
  }
  return std::nullopt;
}

absl::Status WriteAll(int out, const std::byte* bytes, std::size_t size, const std::string& path) {
  while (size > 0) {
    const ssize_t done = ::write(out, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return Failure(done < 0 ? errno : EIO, "write", path);
    bytes += done;
    size -= static_cast<std::size_t>(done);
  }
  return absl::OkStatus();
}

absl::Status CopyByBuffer(int in, int out, off_t at, std::uint64_t length,
                          const std::string& path) {
  std::vector<std::byte> buffer(kCopyBuffer);
  while (length > 0) {
    const ssize_t got =
        ::pread(in, buffer.data(), std::min<std::uint64_t>(length, buffer.size()), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failure(errno, "read content for", path);
    if (got == 0) return absl::DataLossError(StrCat("copy to ", path, ": content is too short"));
    RETURN_IF_ERROR(WriteAll(out, buffer.data(), static_cast<std::size_t>(got), path));
    at += got;
    length -= static_cast<std::uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::Status CopyBytes(const OutputContent& content, int out, const std::string& path) {
  off_t at = 0;
  std::uint64_t left = content.length;
  while (left > 0) {
    const ssize_t done = ::copy_file_range(content.fd, &at, out, nullptr,
                                           std::min<std::uint64_t>(left, kCopyChunk), 0);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) {
      return Failure(errno, "copy to", path);
    }
    // Not between these file systems, or not by this kernel.
    if (done <= 0) return CopyByBuffer(content.fd, out, at, left, path);
    left -= static_cast<std::uint64_t>(done);
  }
  return absl::OkStatus();
}

absl::Status Fill(const OutputContent& content, int out, const std::string& path,
                  OutputMethod& method) {
  if (::ioctl(out, FICLONE, content.fd) == 0) {
    method = OutputMethod::kReflink;
    return absl::OkStatus();
  }
  method = OutputMethod::kCopy;
  return CopyBytes(content, out, path);
}

// The file has no name until it is complete, so that a killed process leaves nothing. Nothing when
// the file system cannot do that.
std::optional<absl::Status> PlaceUnnamed(const OutputRequest& request, const OutputContent& content,
                                         OutputMethod& method) {
  const Fd file(::open(FolderOf(request.path).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, kMode));
  if (!file.valid()) return std::nullopt;
  if (auto filled = Fill(content, file.get(), request.path, method); !filled.ok()) return filled;
  const std::string self = StrCat("/proc/self/fd/", file.get());
  auto link_as = [&](const std::string& name) {
    return ::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
  };
  if (!request.overwrite) {
    if (link_as(request.path)) return absl::OkStatus();
    if (errno == EEXIST) return Taken(request.path);
    return std::nullopt;
  }
  for (int i = 0; i < kNameAttempts; ++i) {
    const std::string name = TemporaryName(request.path);
    if (link_as(name)) return MoveIntoPlace(name, request);
    if (errno != EEXIST) return std::nullopt;
  }
  return std::nullopt;
}

absl::Status PlaceNamed(const OutputRequest& request, const OutputContent& content,
                        OutputMethod& method) {
  for (int i = 0; i < kNameAttempts; ++i) {
    const std::string name = TemporaryName(request.path);
    const Fd file(
        ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
    if (!file.valid()) {
      if (errno == EEXIST) continue;
      return Failure(errno, "create", request.path);
    }
    if (auto filled = Fill(content, file.get(), request.path, method); !filled.ok()) {
      ::unlink(name.c_str());
      return filled;
    }
    return MoveIntoPlace(name, request);
  }
  return absl::InternalError(StrCat("create ", request.path, ": no free temporary name"));
}

// Only to learn why the content could not be opened.
absl::Status NotOpen(const OutputRequest& request, const OutputContent& content) {
  const Fd again(::open(content.path.c_str(), O_RDONLY | O_CLOEXEC));
  return Failure(again.valid() ? EAGAIN : errno, StrCat("copy to ", request.path, ": open"),
                 content.path);
}

// A device keeps its name: a file in the place of /dev/null would harm every program.
bool MayWriteInto(const OutputRequest& request) {
  return request.overwrite && !request.force_hard_link;
}

absl::Status WriteInto(const OutputRequest& request, const OutputContent& content,
                       OutputMethod& method) {
  if (request.is_range) return absl::OkStatus();
  if (content.fd < 0) return NotOpen(request, content);
  const Fd device(::open(request.path.c_str(), O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC));
  if (!device.valid()) return Failure(errno, "open", request.path);
  method = OutputMethod::kCopy;
  return CopyBytes(content, device.get(), request.path);
}

}  // namespace

absl::Status ValidateOutputPath(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return absl::InvalidArgumentError("output path is not absolute");
  }
  if (path.size() >= PATH_MAX) return absl::InvalidArgumentError("output path is too long");
  if (path.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("output path contains a NUL");
  }
  if (path.back() == '/') return absl::InvalidArgumentError("output path names a folder");
  std::size_t begin = 1;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part == "." || part == "..") {
      return absl::InvalidArgumentError("output path contains . or ..");
    }
    begin = end + 1;
  }
  return absl::OkStatus();
}

absl::Status CheckOutputBlocking(const OutputRequest& request, const std::string& content_path) {
  RETURN_IF_ERROR(ValidateOutputPath(request.path));
  const std::string folder = FolderOf(request.path);
  struct stat info{};
  if (::stat(folder.c_str(), &info) != 0) return Failure(errno, "output folder", folder);
  if (!S_ISDIR(info.st_mode)) return Failure(ENOTDIR, "output folder", folder);
  switch (LookAt(request.path, content_path)) {
    case Present::kContent:
      return absl::OkStatus();
    case Present::kFolder:
    case Present::kPipe:
      return NoFile(request.path);
    case Present::kDevice:
      return MayWriteInto(request) ? absl::OkStatus() : Taken(request.path);
    case Present::kOther:
      if (!request.overwrite) return Taken(request.path);
      break;
    case Present::kNothing:
      break;
  }
  if (request.is_range && !request.force_hard_link) return absl::OkStatus();
  if (request.force_hard_link) {
    const std::string name = TemporaryName(request.path);
    if (::link(content_path.c_str(), name.c_str()) != 0) {
      return Failure(errno, "hard link to", request.path);
    }
    ::unlink(name.c_str());
    return absl::OkStatus();
  }
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return Failure(errno, "write into", folder);
  return absl::OkStatus();
}

absl::Status PlaceOutputBlocking(const OutputRequest& request, const OutputContent& content,
                                 OutputMethod* method) {
  OutputMethod ignored = OutputMethod::kNothingToDo;
  OutputMethod& how = method != nullptr ? *method : ignored;
  how = OutputMethod::kNothingToDo;
  RETURN_IF_ERROR(ValidateOutputPath(request.path));
  switch (LookAt(request.path, content.path)) {
    case Present::kContent:
      return absl::OkStatus();
    case Present::kFolder:
    case Present::kPipe:
      return NoFile(request.path);
    case Present::kDevice:
      return MayWriteInto(request) ? WriteInto(request, content, how) : Taken(request.path);
    case Present::kOther:
      if (!request.overwrite) return Taken(request.path);
      break;
    case Present::kNothing:
      break;
  }
  if (const auto linked = TryHardLink(request, content.path)) {
    how = OutputMethod::kHardLink;
    return *linked;
  }
  const int link_error = errno;
  if (request.force_hard_link) return Failure(link_error, "hard link to", request.path);
  if (request.is_range) return absl::OkStatus();
  if (content.fd < 0) return NotOpen(request, content);
  if (const auto placed = PlaceUnnamed(request, content, how)) return *placed;
  return PlaceNamed(request, content, how);
}

}  // namespace dragonfly::dfdaemon
