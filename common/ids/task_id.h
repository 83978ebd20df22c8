#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/types.h"
#include "common/digest/digest.h"

namespace dragonfly {

// Formulas of task ids. An id is a hash over texts without separators; every daemon and scheduler of
// a cluster must come to the same one.

/// Query parameters that sign a request instead of naming the object: those of S3, GCS, OSS, OBS and
/// COS, and containerd's `ns`. What dfdaemon and dfget filter unless told otherwise.
[[nodiscard]] const std::vector<std::string>& DefaultFilteredQueryParams();

/// Names separated by commas, each trimmed, as in the X-Dragonfly-Filtered-Query-Params header and
/// dfget's flag; empty names are left out.
[[nodiscard]] std::vector<std::string> ParseFilteredQueryParams(std::string_view text);

struct UrlTaskIdInput {
  std::string_view url;
  std::optional<std::string_view> tag;
  std::optional<std::string_view> application;
  /// The piece length of the request only; one derived from the content length does not count.
  std::optional<std::uint64_t> piece_length;
  std::span<const std::string> filtered_query_params;
  /// Of a hub (Hugging Face, ModelScope). Clients up to 1.2 have none; leave it out for them.
  std::optional<std::string_view> revision;
};

/// The URL that goes into an id: parsed and written by the URL standard, query rewritten in its order
/// without the filtered names, slashes at the end cut from a root. InvalidArgument when it is no URL.
[[nodiscard]] absl::StatusOr<std::string> NormalizeUrlForTaskId(
    std::string_view url, std::span<const std::string> filtered_query_params);

[[nodiscard]] absl::StatusOr<TaskId> TaskIdFromUrl(const UrlTaskIdInput& input);

/// The same as Go schedulers and managers compute it for preheat jobs: their URL rules differ (see
/// go_url.h). For lookups only, after TaskIdFromUrl found nothing.
[[nodiscard]] TaskId TaskIdFromUrlAsGo(const UrlTaskIdInput& input);

/// For `content_for_calculating_task_id`; also the form of persistent cache tasks that have it.
[[nodiscard]] TaskId TaskIdFromContent(std::string_view content);

/// Whether `url` has the form of an OCI blob: `…://…/v2/…/blobs/…`.
[[nodiscard]] bool IsBlobUrl(std::string_view url);
/// The digest in a blob URL. InvalidArgument when it is not `sha256:` with 64, `sha512:` with 128 or
/// `crc32:` with 10 lower-case hexadecimal digits; ids become file names, so nothing else may pass.
/// Ids of sha512 do not fit into a Vortex request.
[[nodiscard]] absl::StatusOr<TaskId> TaskIdFromBlobUrl(std::string_view url);

/// What wins for a blob URL with content_for_calculating_task_id: the digest in clients up to 1.2,
/// the content later.
enum class BlobPrecedence : std::uint8_t { kBlobFirst, kContentFirst };

struct StandardTaskIdInput {
  UrlTaskIdInput url;
  bool enable_blob_digest = false;
  /// An empty text counts as given.
  std::optional<std::string_view> content;
  BlobPrecedence precedence = BlobPrecedence::kBlobFirst;
};

/// The id DownloadTask gives a standard task. A blob URL with a bad digest is an error and does not
/// fall back to another form.
[[nodiscard]] absl::StatusOr<TaskId> StandardTaskId(const StandardTaskIdInput& input);

/// InvalidArgument without region or endpoint; an empty one counts as given. The URL is hashed as
/// it is.
[[nodiscard]] absl::StatusOr<TaskId> PersistentTaskId(std::string_view url,
                                                      std::optional<std::string_view> region,
                                                      std::optional<std::string_view> endpoint);

/// Id of a persistent cache task over the bytes of its file. Not thread-safe.
class PersistentCacheTaskIdHasher {
 public:
  PersistentCacheTaskIdHasher();

  void Update(std::span<const std::byte> bytes) { hasher_.Update(bytes); }
  /// Once, last.
  [[nodiscard]] TaskId Finish(std::optional<std::string_view> tag,
                              std::optional<std::string_view> application,
                              std::optional<std::uint64_t> piece_length);

 private:
  Hasher hasher_;
};

/// Metadata of the retired API v1.
struct UrlMetaV1 {
  std::string_view filter;  // Names separated by '&'.
  std::string_view digest;
  std::string_view range;
  std::string_view tag;
  std::string_view application;
};
/// Without `meta` the hash of the URL alone. `ignore_range` gives the id of the whole file.
[[nodiscard]] TaskId TaskIdV1(std::string_view url, const std::optional<UrlMetaV1>& meta,
                              bool ignore_range);

/// Whether `id` may become a file name and a Vortex request: 1 to 128 characters, lower-case
/// hexadecimal.
[[nodiscard]] bool IsHexTaskId(std::string_view id);

}  // namespace dragonfly
