#include "dfdaemon/cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/strings.h"
#include "common/base/types.h"

namespace dragonfly::dfdaemon {
namespace {

absl::Status SystemError(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = StrCat(what, " ", path, ": ", std::system_category().message(error));
  return error == ENOSPC ? absl::ResourceExhaustedError(text) : absl::InternalError(text);
}

}  // namespace

absl::StatusOr<OutputFile> OutputFile::Create(std::string path) {
  struct stat there{};
  if (::stat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {
    // It would be replaced by a file.
    return absl::InvalidArgumentError(StrCat("output path ", path, " is not a regular file"));
  }
  std::string temporary = StrCat(path, ".XXXXXX");
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return SystemError("create", path);
  // mkostemp makes 0600; a download is as readable as any file the caller makes.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  (void)::fchmod(fd, 0644 & ~mask);
  return OutputFile(std::move(path), std::move(temporary), fd);
}

OutputFile::OutputFile(std::string path, std::string temporary, int fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)) {}

OutputFile::~OutputFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

absl::Status OutputFile::SetLength(std::uint64_t bytes) {
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0) return SystemError("resize", path_);
  return absl::OkStatus();
}

absl::Status OutputFile::WriteAt(std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError("write", path_);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::StatusOr<Digest> OutputFile::ComputeDigest(DigestAlgorithm algorithm) {
  auto hasher = Hasher::Create(algorithm);
  if (!hasher.ok()) return hasher.status();
  std::vector<std::byte> buffer(kMiB);
  off_t offset = 0;
  while (true) {
    const ssize_t got = ::pread(fd_, buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path_);
    if (got == 0) return hasher->Finish();
    hasher->Update(std::span(buffer).first(static_cast<std::size_t>(got)));
    offset += got;
  }
}

absl::Status OutputFile::Commit() {
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return SystemError("rename to", path_);
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace dragonfly::dfdaemon
