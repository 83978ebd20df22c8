#include "common/rpc/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "common/base/strings.h"

namespace dragonfly::rpc {
namespace {

bool SomebodyListens(const sockaddr_un& address) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const int result = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  // A full backlog (EAGAIN) is a listener too.
  const bool listens = result == 0 || errno == EAGAIN;
  close(fd);
  return listens;
}

}  // namespace

absl::Status PrepareUnixSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(StrCat("unix socket ", path, ": the path must have 1 to ",
                                             sizeof(address.sun_path) - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());

  std::error_code error;
  if (const auto parent = std::filesystem::path(path).parent_path(); !parent.empty()) {
    std::filesystem::create_directories(parent, error);
    if (error) {
      return absl::FailedPreconditionError(
          StrCat("unix socket ", path, ": create folder: ", error.message()));
    }
  }
  struct stat file {};
  if (lstat(path.c_str(), &file) != 0) return absl::OkStatus();
  if (!S_ISSOCK(file.st_mode)) {
    return absl::FailedPreconditionError(
        StrCat("unix socket ", path, ": there is a file that is no socket"));
  }
  if (SomebodyListens(address)) {
    return absl::FailedPreconditionError(StrCat("unix socket ", path, ": address already in use"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::FailedPreconditionError(
        StrCat("unix socket ", path, ": remove the old one: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace dragonfly::rpc
