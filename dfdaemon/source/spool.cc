#include "dfdaemon/source/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "dfdaemon/source/answer_check.h"
#include "dfdaemon/source/content_sinks.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::size_t kCopyBytes = 256 * 1024;

absl::Status SpoolError(int error) {
  if (error == ENOSPC || error == EDQUOT) {
    return absl::ResourceExhaustedError("spool content: no space left on device");
  }
  return absl::InternalError(StrCat("spool content: ", std::strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SpoolFile>> SpoolFile::Create(const std::string& directory) {
  int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
    // File systems without O_TMPFILE: a name for a moment.
    std::string name = StrCat(directory, "/spool-XXXXXX");
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(name.c_str());
  }
  if (fd < 0) {
    return absl::InternalError(StrCat("spool content in ", directory, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<SpoolFile>(new SpoolFile(fd));
}

SpoolFile::~SpoolFile() { ::close(fd_); }

absl::Status SpoolFile::Append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(length_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return SpoolError(count < 0 ? errno : EIO);
    length_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::CopyTo(std::uint64_t piece_length, PieceSequence& pieces) {
  std::vector<std::byte> buffer(kCopyBytes);
  PieceWriter* writer = nullptr;
  std::uint64_t position = 0;
  while (position < length_) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), length_ - position);
    const ssize_t count = ::pread(fd_, buffer.data(), wanted, static_cast<off_t>(position));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return SpoolError(count < 0 ? errno : EIO);
    std::span<const std::byte> bytes(buffer.data(), static_cast<std::size_t>(count));
    while (!bytes.empty()) {
      ASSIGN_OR_RETURN(const std::size_t taken, PutIntoPieces(bytes, position, length_,
                                                              piece_length, pieces, writer));
      position += taken;
      bytes = bytes.subspan(taken);
    }
  }
  return absl::OkStatus();
}

absl::Status SpoolSink::Accept(const HttpClientResponse& head) {
  file_.Clear();
  return CheckWholeAnswer(head, std::nullopt);
}

absl::Status SpoolSink::Take(std::span<const std::byte> bytes) {
  if (bytes.size() > length_max_ - file_.length()) {
    return absl::ResourceExhaustedError(
        StrCat("content of unknown length is longer than the ", length_max_,
               " bytes that the disk has to spare"));
  }
  return file_.Append(bytes);
}

}  // namespace dragonfly::dfdaemon
