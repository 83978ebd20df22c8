#include "dfdaemon/task/download_plan.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/ids/task_id.h"
#include "common/net/range.h"

namespace dragonfly::dfdaemon {
namespace {

bool IsHeader(const std::string& name, std::string_view wanted) {
  return absl::EqualsIgnoreCase(name, ToAbsl(wanted));
}

const std::string* RangeHeader(const DownloadRequest& request) {
  for (const auto& [name, value] : request.request_headers) {
    if (IsHeader(name, "range")) return &value;
  }
  return nullptr;
}

void DropRangeHeader(HeaderList& headers) {
  std::erase_if(headers, [](const auto& header) { return IsHeader(header.first, "range"); });
}

std::optional<std::string_view> View(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return *text;
}

}  // namespace

absl::StatusOr<TaskId> TaskIdOf(const DownloadRequest& request) {
  if (request.kind == TaskKind::kPersistent) {
    const auto& access = request.object_storage;
    return PersistentTaskId(request.url,
                            access ? std::optional<std::string_view>(access->region) : std::nullopt,
                            access ? std::optional<std::string_view>(access->endpoint)
                                   : std::nullopt);
  }
  if (request.kind == TaskKind::kPersistentCache) {
    return absl::InvalidArgumentError("a persistent cache task is named by its id, not by a request");
  }
  if (request.url.empty()) return absl::InvalidArgumentError("missing url");
  StandardTaskIdInput input;
  input.url.url = request.url;
  input.url.tag = View(request.tag);
  input.url.application = View(request.application);
  input.url.piece_length = request.piece_length;
  input.url.filtered_query_params = request.filtered_query_params;
  input.enable_blob_digest = request.enable_task_id_based_blob_digest;
  input.content = View(request.content_for_calculating_task_id);
  return StandardTaskId(input);
}

bool HasRange(const DownloadRequest& request) {
  return request.range.has_value() || RangeHeader(request) != nullptr;
}

absl::StatusOr<std::optional<ByteRange>> RangeOf(const DownloadRequest& request,
                                                 std::uint64_t content_length) {
  if (request.range) {
    const ByteRange range = *request.range;
    if (range.length == 0 || range.start >= content_length) {
      return absl::FailedPreconditionError(StrCat("range of ", range.length, " bytes at ",
                                                  range.start, " is not within the content of ",
                                                  content_length, " bytes"));
    }
    return ByteRange{range.start, std::min(range.length, content_length - range.start)};
  }
  const std::string* header = RangeHeader(request);
  if (header == nullptr) return std::nullopt;
  const auto range = ParseRangeHeader(*header, content_length);
  if (!range.ok()) {
    return absl::FailedPreconditionError(StrCat("range header: ", range.status().message()));
  }
  return *range;
}

std::optional<Digest> BlobDigestOf(const std::string& url) {
  if (!IsBlobUrl(url)) return std::nullopt;
  const auto id = TaskIdFromBlobUrl(url);
  if (!id.ok()) return std::nullopt;
  // By its length; crc32 is too short to tell a lie from an accident.
  if (id->str().size() == 64) return Digest{DigestAlgorithm::kSha256, id->str()};
  if (id->str().size() == 128) return Digest{DigestAlgorithm::kSha512, id->str()};
  return std::nullopt;
}

absl::StatusOr<std::optional<Digest>> RequestedDigest(const DownloadRequest& request) {
  if (!request.digest || request.digest->empty()) return std::nullopt;
  auto digest = ParseDigest(*request.digest);
  if (!digest.ok()) {
    return absl::InvalidArgumentError(
        StrCat("invalid digest(", *request.digest, "): ", digest.status().message()));
  }
  if (const auto hasher = Hasher::Create(digest->algorithm); !hasher.ok()) {
    return absl::InvalidArgumentError(StrCat("digest ", AlgorithmName(digest->algorithm), ": ",
                                             hasher.status().message()));
  }
  return *std::move(digest);
}

SourceRequest MakeSourceRequest(const DownloadRequest& request, const TaskId& id,
                                std::chrono::milliseconds timeout) {
  SourceRequest source;
  source.task_id = id;
  source.url = request.url;
  source.headers = request.request_headers;
  DropRangeHeader(source.headers);
  source.certificate_chain = request.certificate_chain;
  source.object_storage = request.object_storage;
  source.timeout = timeout;
  return source;
}

std::string SourceKey(const SourceRequest& request) {
  std::string key = request.url;
  auto add = [&key](std::string_view text) {
    key += StrCat("\n", text.size(), ":");
    key += text;
  };
  for (const auto& [name, value] : request.headers) {
    add(name);
    add(value);
  }
  if (request.object_storage) {
    const auto& access = *request.object_storage;
    for (const std::string& part :
         {access.region, access.endpoint, access.access_key_id, access.access_key_secret,
          access.session_token, access.credential_path}) {
      add(part);
    }
  }
  for (const std::string& certificate : request.certificate_chain) add(certificate);
  return key;
}

DownloadRequest ForScheduler(DownloadRequest request, const std::optional<ByteRange>& range) {
  request.range = range;
  request.output_path.reset();
  request.force_hard_link = false;
  request.overwrite = false;
  request.need_piece_content = false;
  return request;
}

DownloadRequest ForPrefetch(DownloadRequest request) {
  request.range.reset();
  DropRangeHeader(request.request_headers);
  request.prefetch = false;
  request.is_prefetch = true;
  request.output_path.reset();
  request.digest.reset();
  request.need_piece_content = false;
  return request;
}

HostId HostOfPeer(const PeerId& peer) {
  constexpr std::string_view kSeed = "-seed";
  constexpr std::size_t kUuid = 36;
  std::string_view text = peer.str();
  const bool seed = text.ends_with(kSeed);
  if (seed) text.remove_suffix(kSeed.size());
  if (text.size() <= kUuid + 1 || text[text.size() - kUuid - 1] != '-') return {};
  text.remove_suffix(kUuid + 1);
  return HostId(seed ? StrCat(text, kSeed) : std::string(text));
}

}  // namespace dragonfly::dfdaemon
