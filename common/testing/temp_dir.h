#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragonfly {

/// A new directory under $TMPDIR (else /tmp), removed with all it holds.
class TempDir {
 public:
  /// Ends the process when none can be made.
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// `path()/name`.
  [[nodiscard]] std::string File(std::string_view name) const;

 private:
  std::string path_;
};

[[nodiscard]] absl::StatusOr<std::string> ReadFile(const std::string& path);
/// Ends the process when it fails: a test cannot go on.
void WriteFile(const std::string& path, std::string_view content);

/// The file of that name in the directory that the test was built with (df_test's DATA).
[[nodiscard]] std::string TestDataFile(std::string_view name);

}  // namespace dragonfly
