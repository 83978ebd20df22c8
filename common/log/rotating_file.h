#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragonfly::internal {

struct RotationOptions {
  std::uint64_t max_size = 0;     ///< Bytes; 0 = no limit.
  std::size_t max_old_files = 0;  ///< 0 = all.
  std::chrono::hours max_age{0};  ///< 0 = for ever.
};

/// A file that is appended to and renamed away when it is full. Not thread-safe; blocks.
class RotatingFile {
 public:
  [[nodiscard]] static absl::StatusOr<RotatingFile> Open(std::string path, RotationOptions options);
  ~RotatingFile();
  RotatingFile(RotatingFile&& other) noexcept;
  RotatingFile& operator=(RotatingFile&&) = delete;

  /// Appends `text` whole, after rotation when it would not fit. On an error (disk full) the text is
  /// lost; the next call tries anew.
  absl::Status Append(std::string_view text);

 private:
  RotatingFile(std::string path, RotationOptions options)
      : path_(std::move(path)), options_(options) {}
  absl::Status OpenFile();
  void Rotate();
  void DeleteOld() const;

  std::string path_;
  RotationOptions options_;
  int fd_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace dragonfly::internal
