#include "common/log/rotating_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "common/base/strings.h"

namespace dragonfly::internal {
namespace {

namespace fs = std::filesystem;

absl::Status ErrnoStatus(std::string_view what, const std::string& path) {
  return absl::ErrnoToStatus(errno, StrCat(what, " ", path));
}

// "core" and ".log" of ".../core.log".
std::pair<std::string, std::string> StemAndExtension(const std::string& path) {
  const fs::path file(path);
  return {file.stem().string(), file.extension().string()};
}

std::string OldName(const std::string& path, std::chrono::system_clock::time_point now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(
                          now.time_since_epoch())
                          .count() %
                      1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32] = "";
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H-%M-%S", &local);
  const auto [stem, extension] = StemAndExtension(path);
  return (fs::path(path).parent_path() / fmt::format("{}-{}.{:03}{}", stem, text, millis, extension))
      .string();
}

// Whether `name` is one that OldName makes: stem, '-', 23 characters that begin with the year.
bool IsOldName(const std::string& name, const std::string& stem, const std::string& extension) {
  constexpr std::size_t kStampBytes = 23;
  return name.size() == stem.size() + 1 + kStampBytes + extension.size() &&
         name.starts_with(stem + "-") && name.ends_with(extension) && name[stem.size() + 5] == '-' &&
         name[stem.size() + 11] == 'T';
}

}  // namespace

absl::StatusOr<RotatingFile> RotatingFile::Open(std::string path, RotationOptions options) {
  RotatingFile file(std::move(path), options);
  if (absl::Status status = file.OpenFile(); !status.ok()) return status;
  file.DeleteOld();
  return file;
}

RotatingFile::RotatingFile(RotatingFile&& other) noexcept
    : path_(std::move(other.path_)),
      options_(other.options_),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

RotatingFile::~RotatingFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status RotatingFile::OpenFile() {
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) return ErrnoStatus("open", path_);
  struct stat facts {};
  size_ = ::fstat(fd_, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_size) : 0;
  return absl::OkStatus();
}

absl::Status RotatingFile::Append(std::string_view text) {
  if (options_.max_size != 0 && size_ != 0 && size_ + text.size() > options_.max_size) Rotate();
  if (fd_ < 0) {
    if (absl::Status status = OpenFile(); !status.ok()) return status;
  }
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus("write", path_);
    }
    size_ += static_cast<std::uint64_t>(written);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

void RotatingFile::Rotate() {
  auto now = std::chrono::system_clock::now();
  std::string old_name = OldName(path_, now);
  // Two rotations within a millisecond must not overwrite each other.
  while (::access(old_name.c_str(), F_OK) == 0) {
    now += std::chrono::milliseconds(1);
    old_name = OldName(path_, now);
  }
  // When the rename fails, the file goes on growing: better than losing records.
  if (::rename(path_.c_str(), old_name.c_str()) != 0) {
    size_ = 0;
    return;
  }
  ::close(fd_);
  fd_ = -1;
  DeleteOld();
}

void RotatingFile::DeleteOld() const {
  if (options_.max_old_files == 0 && options_.max_age.count() == 0) return;
  const auto [stem, extension] = StemAndExtension(path_);
  std::vector<fs::path> old_files;
  std::error_code error;
  fs::directory_iterator entry(fs::path(path_).parent_path(), error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (IsOldName(entry->path().filename().string(), stem, extension)) {
      old_files.push_back(entry->path());
    }
  }
  // The names sort by time: newest first.
  std::sort(old_files.begin(), old_files.end(), std::greater<>());
  const auto oldest = fs::file_time_type::clock::now() - options_.max_age;
  for (std::size_t i = 0; i < old_files.size(); ++i) {
    const bool too_many = options_.max_old_files != 0 && i >= options_.max_old_files;
    const bool too_old =
        options_.max_age.count() != 0 && fs::last_write_time(old_files[i], error) < oldest && !error;
    if (too_many || too_old) fs::remove(old_files[i], error);
  }
}

}  // namespace dragonfly::internal
