#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/types.h"
#include "dfdaemon/storage/storage.h"

namespace dragonfly::dfdaemon {

/// An open descriptor, closed with the object.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// Tells whether a file is the one it was and has the bytes it had, as far as stat() knows.
struct FileStamp {
  std::uint64_t inode = 0;
  std::uint64_t length = 0;     ///< Bytes.
  std::int64_t changed_at = 0;  ///< Of the bytes; nanoseconds since 1970.

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

/// `what` with the system's text for `error`. ResourceExhausted "no space left: …" when the disk,
/// the quota or the largest file size is reached, else Internal.
absl::Status DiskError(int error, std::string_view what);

/// The content files below `<dir>/content`; docs/formats/storage.md has the layout. Blocks.
/// Thread-safe; two calls for one task at the same time are the caller's to prevent.
class ContentFiles {
 public:
  explicit ContentFiles(std::string dir);

  /// Ids must have been checked with IsHexTaskId.
  [[nodiscard]] std::string Path(TaskKind kind, const TaskId& id) const;

  /// An empty file of `length` bytes, with its space reserved where the file system can. An older
  /// file of that name goes away. Leaves no file behind on failure.
  absl::Status Create(TaskKind kind, const TaskId& id, std::uint64_t length);
  /// OK also when there is none.
  absl::Status Remove(TaskKind kind, const TaskId& id);
  /// NotFound when there is no file of that name.
  absl::StatusOr<FileStamp> Stamp(TaskKind kind, const TaskId& id) const;
  [[nodiscard]] FileDescriptor Open(TaskKind kind, const TaskId& id, int flags) const;

  /// Removes every file for which `keep` is false, and folders that are empty then.
  absl::Status Sweep(const std::function<bool(TaskKind, const TaskId&)>& keep);

  /// Of the file system.
  absl::StatusOr<DiskUsage> FileSystemUsage() const;

 private:
  std::string dir_;
};

}  // namespace dragonfly::dfdaemon
