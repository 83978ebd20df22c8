#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/digest/digest.h"

namespace dragonfly::dfdaemon {

/// The output file when dfget writes it itself: bytes go to a temporary name beside it, which takes
/// the final name only in Commit(). Blocks; not thread-safe.
class OutputFile {
 public:
  /// Internal with the system's text when the directory does not take a file.
  static absl::StatusOr<OutputFile> Create(std::string path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  /// Removes the temporary file unless Commit() succeeded.
  ~OutputFile();

  absl::Status SetLength(std::uint64_t bytes);
  absl::Status WriteAt(std::uint64_t offset, std::string_view bytes);
  /// The digest of what was written. Reads the file once.
  absl::StatusOr<Digest> ComputeDigest(DigestAlgorithm algorithm);
  absl::Status Commit();

 private:
  OutputFile(std::string path, std::string temporary, int fd);

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace dragonfly::dfdaemon
