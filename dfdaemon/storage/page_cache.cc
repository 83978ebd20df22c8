#include "dfdaemon/storage/page_cache.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

namespace dragonfly::dfdaemon {
namespace {

// Below the window that the kernel reads ahead by default.
constexpr std::uint64_t kTouchStep = 64 * 1024;

bool IsByteInPageCache(int fd, std::uint64_t offset) {
  std::byte byte{};
  const iovec into{&byte, 1};
  return ::preadv2(fd, &into, 1, static_cast<off_t>(offset), RWF_NOWAIT) >= 0 || errno != EAGAIN;
}

void Touch(int fd, std::uint64_t offset) {
  std::byte byte{};
  (void)!::pread(fd, &byte, 1, static_cast<off_t>(offset));
}

}  // namespace

bool IsInPageCache(int fd, std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return true;
  return IsByteInPageCache(fd, offset) && IsByteInPageCache(fd, offset + length - 1);
}

void ReadIntoPageCacheBlocking(int fd, std::uint64_t offset, std::uint64_t length,
                               std::uint64_t ahead) {
  if (length == 0) return;
  (void)::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(length + ahead),
                        POSIX_FADV_WILLNEED);
  // The advice only starts the reading; touching waits for it.
  for (std::uint64_t at = 0; at < length; at += kTouchStep) Touch(fd, offset + at);
  Touch(fd, offset + length - 1);
}

}  // namespace dragonfly::dfdaemon
