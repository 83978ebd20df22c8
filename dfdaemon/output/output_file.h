#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace dragonfly::dfdaemon {

/// A caller's wish to have the content at a path of this host.
struct OutputRequest {
  std::string path;
  bool overwrite = false;
  /// Only a hard link will do.
  bool force_hard_link = false;
  /// The caller wants a part only. The content is then linked if that is possible and never copied,
  /// as in the original.
  bool is_range = false;
};

/// The content file to give out.
struct OutputContent {
  std::string path;
  int fd = -1;               ///< Open for reading.
  std::uint64_t length = 0;  ///< Bytes.
};

/// How the content got to its place.
enum class OutputMethod : std::uint8_t { kNothingToDo, kHardLink, kReflink, kCopy };

/// InvalidArgument unless the path is absolute, names a file, and has no `.` or `..` in it.
[[nodiscard]] absl::Status ValidateOutputPath(std::string_view path);

/// Whether the output could be placed as things are now, so that a caller hears of it before the
/// download: its folder exists, no other file is in the way, a forced hard link is possible. Leaves
/// nothing behind. Blocks.
/// AlreadyExists: another file and no overwrite. Internal: everything else, with path and reason.
[[nodiscard]] absl::Status CheckOutputBlocking(const OutputRequest& request,
                                               const std::string& content_path);

/// Puts the finished content at the path: by hard link, else by reflink, else by copy. The path is
/// either as it was or has the whole content, also when this fails or the process is killed. Blocks.
/// AlreadyExists, Internal as above; ResourceExhausted when the disk is full.
[[nodiscard]] absl::Status PlaceOutputBlocking(const OutputRequest& request,
                                               const OutputContent& content,
                                               OutputMethod* method = nullptr);

}  // namespace dragonfly::dfdaemon
