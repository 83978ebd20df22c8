#include "dfdaemon/proxy/request_headers.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/base/strings.h"
#include "common/config/values.h"
#include "common/ids/piece_math.h"
#include "common/ids/task_id.h"

namespace dragonfly::dfdaemon {
namespace {

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::any_of(names.begin(), names.end(),
                     [name](std::string_view other) { return SameHeaderName(name, other); });
}

std::optional<std::string> Text(const HttpHeaders& headers, std::string_view name) {
  const auto value = FindHeader(headers, name);
  if (!value) return std::nullopt;
  return std::string(*value);
}

std::optional<bool> Flag(const HttpHeaders& headers, std::string_view name) {
  const auto value = FindHeader(headers, name);
  if (!value) return std::nullopt;
  return absl::EqualsIgnoreCase(ToAbsl(*value), "true");
}

Priority ReadPriority(const HttpHeaders& headers) {
  std::uint32_t level = 0;
  const auto value = FindHeader(headers, "X-Dragonfly-Priority");
  if (!value || !absl::SimpleAtoi(ToAbsl(*value), &level) || level > 6) return Priority::kLevel6;
  return static_cast<Priority>(level);
}

}  // namespace

absl::StatusOr<DragonflyHeaders> ReadDragonflyHeaders(const HttpHeaders& headers) {
  DragonflyHeaders result;
  result.tag = Text(headers, "X-Dragonfly-Tag");
  result.application = Text(headers, "X-Dragonfly-Application");
  result.priority = ReadPriority(headers);
  if (const auto list = FindHeader(headers, "X-Dragonfly-Filtered-Query-Params")) {
    result.filtered_query_params = ParseFilteredQueryParams(*list);
  }
  result.use_p2p = Flag(headers, "X-Dragonfly-Use-P2P").value_or(false);
  result.prefetch = Flag(headers, "X-Dragonfly-Prefetch");
  result.force_hard_link = Flag(headers, "X-Dragonfly-Force-Hard-Link").value_or(false);
  result.content_for_calculating_task_id =
      Text(headers, "X-Dragonfly-Content-For-Calculating-Task-ID");
  result.enable_task_id_based_blob_digest =
      Flag(headers, "X-Dragonfly-Enable-Task-ID-Based-Blob-Digest");
  result.output_path = Text(headers, "X-Dragonfly-Output-Path");
  if (result.output_path && !absl::StartsWith(*result.output_path, "/")) {
    return absl::InvalidArgumentError("X-Dragonfly-Output-Path is not an absolute path");
  }
  if (const auto text = FindHeader(headers, "X-Dragonfly-Piece-Length")) {
    if (const auto length = ParseByteSize(*text); length.ok()) {
      if (*length < kMinPieceLength || *length > kMaxPieceLength) {
        return absl::InvalidArgumentError("X-Dragonfly-Piece-Length is not within 4MiB and 64MiB");
      }
      result.piece_length = *length;
    }
  }
  return result;
}

HttpHeaders EndToEndHeaders(const HttpHeaders& headers) {
  std::vector<std::string> named;
  for (const auto& [name, value] : headers) {
    if (!SameHeaderName(name, "Connection")) continue;
    for (const absl::string_view option : absl::StrSplit(value, ',')) {
      const absl::string_view trimmed = absl::StripAsciiWhitespace(option);
      // Nobody may take these away on the origin's behalf or the client's.
      if (!trimmed.empty() && !IsOneOf(ToStd(trimmed), {"Authorization", "Content-Length", "Host"}))
        named.emplace_back(trimmed);
    }
  }
  HttpHeaders kept;
  for (const auto& field : headers) {
    const std::string& name = field.first;
    if (IsOneOf(name, {"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"}))
      continue;
    if (absl::StartsWithIgnoreCase(name, "Proxy-")) continue;
    const auto is_name = [&name](const std::string& other) { return SameHeaderName(name, other); };
    if (std::any_of(named.begin(), named.end(), is_name)) continue;
    kept.push_back(field);
  }
  return kept;
}

HttpHeaders PassThroughHeaders(const HttpHeaders& headers) {
  HttpHeaders kept = EndToEndHeaders(headers);
  std::erase_if(kept, [](const auto& field) {
    return IsOneOf(field.first, {"Host", "Content-Length", "Expect"}) ||
           absl::StartsWithIgnoreCase(field.first, ToAbsl(kHeaderPrefix));
  });
  return kept;
}

HttpHeaders SourceHeaders(const HttpHeaders& headers) {
  HttpHeaders kept = PassThroughHeaders(headers);
  std::erase_if(kept, [](const auto& field) {
    return IsOneOf(field.first, {"Accept-Encoding", "If-Match", "If-None-Match", "If-Range",
                                 "If-Modified-Since", "If-Unmodified-Since"});
  });
  return kept;
}

bool MatchesEntityTag(std::string_view if_none_match, std::string_view etag) {
  if (etag.empty()) return false;
  const auto opaque = [](absl::string_view tag) {
    tag = absl::StripAsciiWhitespace(tag);
    return absl::StartsWith(tag, "W/") ? tag.substr(2) : tag;
  };
  for (const absl::string_view candidate : absl::StrSplit(ToAbsl(if_none_match), ',')) {
    if (absl::StripAsciiWhitespace(candidate) == "*") return true;
    if (opaque(candidate) == opaque(ToAbsl(etag))) return true;
  }
  return false;
}

}  // namespace dragonfly::dfdaemon
