#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/types.h"
#include "common/http/headers.h"

namespace dragonfly::dfdaemon {

// Names: client:dragonfly-client/src/proxy/header.rs, v1.2.0 and
// v1.5.1.
inline constexpr std::string_view kHeaderPrefix = "X-Dragonfly-";
inline constexpr std::string_view kRegistryHeader = "X-Dragonfly-Registry";
inline constexpr std::string_view kErrorTypeHeader = "X-Dragonfly-Error-Type";
inline constexpr std::string_view kTaskIdHeader = "X-Dragonfly-Task-ID";
inline constexpr std::string_view kFinishedHeader = "X-Dragonfly-Task-Download-Finished";
inline constexpr std::string_view kServerIpHeader = "X-Dragonfly-Server-IP";

/// What a client wishes of a request that becomes a task.
struct DragonflyHeaders {
  std::optional<std::string> tag;
  std::optional<std::string> application;
  Priority priority = Priority::kLevel6;
  std::optional<std::vector<std::string>> filtered_query_params;
  bool use_p2p = false;
  std::optional<bool> prefetch;
  std::optional<std::string> output_path;
  bool force_hard_link = false;
  std::optional<std::uint64_t> piece_length;  ///< Bytes.
  std::optional<std::string> content_for_calculating_task_id;
  std::optional<bool> enable_task_id_based_blob_digest;
};

/// Reads the X-Dragonfly-* fields. What cannot be parsed counts as absent, as in the original, except
/// a piece length below 4 MiB or above 64 MiB and an output path that is not absolute:
/// InvalidArgument.
[[nodiscard]] absl::StatusOr<DragonflyHeaders> ReadDragonflyHeaders(const HttpHeaders& headers);

/// Without the fields that belong to one connection (RFC 9110, 7.6.1): Connection and what it names,
/// Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade.
[[nodiscard]] HttpHeaders EndToEndHeaders(const HttpHeaders& headers);

/// A client's fields as a request to the origin that only passes through carries them: end to end,
/// without Host, Content-Length, Expect and X-Dragonfly-*.
[[nodiscard]] HttpHeaders PassThroughHeaders(const HttpHeaders& headers);

/// The same for a task, whose bytes serve others too: also without Accept-Encoding and conditions.
[[nodiscard]] HttpHeaders SourceHeaders(const HttpHeaders& headers);

/// Whether `If-None-Match` names `etag` (weak comparison, lists, `*`).
[[nodiscard]] bool MatchesEntityTag(std::string_view if_none_match, std::string_view etag);

}  // namespace dragonfly::dfdaemon
