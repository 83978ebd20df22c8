#include "common/ids/task_id.h"

#include <algorithm>

#include <re2/re2.h>

#include "absl/status/status.h"
#include "common/base/check.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/ids/go_url.h"
#include "common/net/url.h"

namespace dragonfly {
namespace {

// SHA-256 has been there since OpenSSL 0.9.8; without it nothing of this program works.
Hasher Sha256() {
  auto hasher = Hasher::Create(DigestAlgorithm::kSha256);
  DF_CHECK(hasher.ok());
  return std::move(hasher).value();
}

TaskId FinishUrlId(std::string_view url, const UrlTaskIdInput& input) {
  Hasher hasher = Sha256();
  hasher.Update(url);
  hasher.Update(input.tag.value_or(""));
  hasher.Update(input.application.value_or(""));
  hasher.Update(input.revision.value_or(""));
  if (input.piece_length.has_value()) hasher.Update(StrCat(*input.piece_length));
  hasher.Update("STANDARD");
  return TaskId(hasher.Finish().encoded);
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Group 1: what is to be a digest. The last `/blobs/` counts, also one within a query.
bool MatchBlobUrl(std::string_view url, std::string* digest) {
  static const auto* const kPattern = new RE2(R"((?:.*)://(?:.*)/v2/(?:.*)/blobs/([^?]+)(?:\?.*)?)");
  return RE2::FullMatch(re2::StringPiece(url.data(), url.size()), *kPattern, digest);
}

}  // namespace

// Names: pkg/idgen/task_id.go, dragonfly v2.4.0.
const std::vector<std::string>& DefaultFilteredQueryParams() {
  static const auto* const kNames = new std::vector<std::string>{
      // S3.
      "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
      "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-User-Agent",
      // GCS.
      "X-Goog-Algorithm", "X-Goog-Credential", "X-Goog-Date", "X-Goog-Expires",
      "X-Goog-SignedHeaders", "X-Goog-Signature",
      // OSS, and what OBS has in common with it.
      "OSSAccessKeyId", "Expires", "Signature", "SecurityToken",
      // OBS.
      "AccessKeyId", "X-Obs-Date", "X-Obs-Security-Token",
      // COS.
      "q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list",
      "q-signature", "x-cos-security-token",
      // containerd.
      "ns"};
  return *kNames;
}

std::vector<std::string> ParseFilteredQueryParams(std::string_view text) {
  std::vector<std::string> names;
  for (std::string& part : Split(text, ',')) {
    const std::size_t begin = part.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    names.push_back(part.substr(begin, part.find_last_not_of(" \t") - begin + 1));
  }
  return names;
}

absl::StatusOr<std::string> NormalizeUrlForTaskId(
    std::string_view url, std::span<const std::string> filtered_query_params) {
  ASSIGN_OR_RETURN(Url parsed, Url::Parse(url));
  FormPairs pairs;
  if (parsed.query().has_value()) pairs = ParseForm(*parsed.query());
  std::erase_if(pairs, [&](const auto& pair) {
    return std::find(filtered_query_params.begin(), filtered_query_params.end(), pair.first) !=
           filtered_query_params.end();
  });
  if (pairs.empty()) {
    parsed.SetQuery(std::nullopt);
  } else {
    parsed.SetQuery(SerializeForm(pairs));
  }
  std::string href = parsed.Href();
  // As the original: the path decides, but the text is cut, so that `https://h/#/` loses the slash
  // of its fragment.
  if (parsed.path() == "/") {
    while (href.ends_with('/')) href.pop_back();
  }
  return href;
}

absl::StatusOr<TaskId> TaskIdFromUrl(const UrlTaskIdInput& input) {
  ASSIGN_OR_RETURN(const std::string url,
                   NormalizeUrlForTaskId(input.url, input.filtered_query_params));
  return FinishUrlId(url, input);
}

TaskId TaskIdFromUrlAsGo(const UrlTaskIdInput& input) {
  return FinishUrlId(FilterQueryParamsAsGo(input.url, input.filtered_query_params), input);
}

TaskId TaskIdFromContent(std::string_view content) { return TaskId(Sha256Hex(content)); }

bool IsBlobUrl(std::string_view url) { return MatchBlobUrl(url, nullptr); }

absl::StatusOr<TaskId> TaskIdFromBlobUrl(std::string_view url) {
  std::string digest;
  if (!MatchBlobUrl(url, &digest)) return absl::InvalidArgumentError("not the URL of a blob");
  const std::size_t colon = digest.find(':');
  const std::string_view algorithm = std::string_view(digest).substr(0, colon);
  const std::string_view value =
      colon == std::string::npos ? "" : std::string_view(digest).substr(colon + 1);
  const std::size_t wanted = algorithm == "sha256"   ? 64
                             : algorithm == "sha512" ? 128
                             : algorithm == "crc32"  ? 10
                                                     : 0;
  if (wanted == 0 || value.size() != wanted || !IsHexTaskId(value)) {
    return absl::InvalidArgumentError("invalid digest in the URL of a blob");
  }
  return TaskId(value);
}

absl::StatusOr<TaskId> StandardTaskId(const StandardTaskIdInput& input) {
  const bool blob = input.enable_blob_digest && IsBlobUrl(input.url.url);
  if (blob && (input.precedence == BlobPrecedence::kBlobFirst || !input.content.has_value())) {
    return TaskIdFromBlobUrl(input.url.url);
  }
  if (input.content.has_value()) return TaskIdFromContent(*input.content);
  return TaskIdFromUrl(input.url);
}

absl::StatusOr<TaskId> PersistentTaskId(std::string_view url,
                                        std::optional<std::string_view> region,
                                        std::optional<std::string_view> endpoint) {
  if (!region.has_value()) return absl::InvalidArgumentError("object storage without a region");
  if (!endpoint.has_value()) return absl::InvalidArgumentError("object storage without an endpoint");
  return TaskId(Sha256Hex(StrCat(url, *region, *endpoint, "PERSISTENT")));
}

PersistentCacheTaskIdHasher::PersistentCacheTaskIdHasher() : hasher_(Sha256()) {}

TaskId PersistentCacheTaskIdHasher::Finish(std::optional<std::string_view> tag,
                                           std::optional<std::string_view> application,
                                           std::optional<std::uint64_t> piece_length) {
  hasher_.Update(tag.value_or(""));
  hasher_.Update(application.value_or(""));
  if (piece_length.has_value()) hasher_.Update(StrCat(*piece_length));
  hasher_.Update("PERSISTENT_CACHE");
  return TaskId(hasher_.Finish().encoded);
}

TaskId TaskIdV1(std::string_view url, const std::optional<UrlMetaV1>& meta, bool ignore_range) {
  if (!meta.has_value()) return TaskId(Sha256Hex(url));
  // Go splits an empty text into one empty name, so the URL is always rewritten here.
  const std::string filtered = FilterQueryParamsAsGo(url, Split(meta->filter, '&'));
  return TaskId(Sha256Hex(StrCat(filtered, meta->digest, ignore_range ? "" : meta->range,
                                 meta->tag, meta->application)));
}

bool IsHexTaskId(std::string_view id) {
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

}  // namespace dragonfly
