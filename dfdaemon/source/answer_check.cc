#include "dfdaemon/source/answer_check.h"

#include <algorithm>
#include <charconv>

#include "common/base/strings.h"
#include "common/net/range.h"

namespace dragonfly::dfdaemon {
namespace {

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool IsSuccess(int status) { return status >= 200 && status < 300; }

// An answer's headers as those of the whole object, without what belongs to this one message.
HeaderList ObjectHeaders(const HttpClientResponse& head, std::optional<std::uint64_t> length) {
  HeaderList headers = head.headers;
  for (const char* name : {"Content-Range", "Transfer-Encoding", "Connection", "Keep-Alive",
                           "Trailer", "Upgrade", "Proxy-Connection", "Content-Length"}) {
    RemoveHeader(headers, name);
  }
  if (length) headers.emplace_back("Content-Length", absl::StrCat(*length));
  return headers;
}

}  // namespace

absl::Status StatusFailure(const HttpClientResponse& head) {
  SourceErrorInfo info;
  info.message = absl::StrCat(head.status_code);
  if (!head.reason.empty()) absl::StrAppend(&info.message, " ", head.reason);
  info.headers = head.headers;
  info.status_code = head.status_code;
  return SourceError(std::move(info));
}

absl::Status SourceLies(std::string text) {
  SourceErrorInfo info;
  info.message = std::move(text);
  return SourceError(absl::StatusCode::kDataLoss, std::move(info));
}

absl::Status TransportFailure(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kCancelled:
      return status;
    default:
      break;
  }
  SourceErrorInfo info;
  info.message = StrCat("read source: ", status.message());
  return SourceError(status.code(), std::move(info));
}

std::optional<std::uint64_t> ContentLength(const HttpClientResponse& head) {
  const auto value = FindHeader(head.headers, "Content-Length");
  return value ? ParseNumber(*value) : std::nullopt;
}

std::optional<std::string> RedirectTarget(const HttpClientResponse& head) {
  switch (head.status_code) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      break;
    default:
      return std::nullopt;
  }
  const auto location = FindHeader(head.headers, "Location");
  if (!location || location->empty()) return std::nullopt;
  return std::string(*location);
}

absl::StatusOr<SourceStat> ReadStat(const HttpClientResponse& head) {
  if (!IsSuccess(head.status_code)) return StatusFailure(head);
  SourceStat stat;
  stat.status_code = 200;
  if (head.status_code == 206) {
    const auto value = FindHeader(head.headers, "Content-Range");
    if (!value) return SourceLies("source answers with a part and no Content-Range");
    const auto range = ParseContentRange(*value);
    if (!range.ok() || !range->range || range->range->start != 0) {
      return SourceLies("source answers with a bad Content-Range");
    }
    stat.content_length = range->total;
    stat.supports_ranges = true;
  } else {
    stat.content_length = ContentLength(head);
    // A transfer coding overrides the length (RFC 9112, 6.3).
    if (FindHeader(head.headers, "Transfer-Encoding")) stat.content_length.reset();
    if (head.status_code == 204) stat.content_length = 0;
  }
  stat.headers = ObjectHeaders(head, stat.content_length);
  return stat;
}

absl::Status CheckRangeAnswer(const HttpClientResponse& head, const ByteRange& range,
                              std::uint64_t total) {
  const auto length = ContentLength(head);
  if (head.status_code == 416) {
    return SourceLies(StrCat("source changed: it has no range ", FormatRangeHeader(range)));
  }
  if (!IsSuccess(head.status_code)) return StatusFailure(head);
  if (head.status_code != 206) {
    if (length && *length != total) {
      return SourceLies(StrCat("source changed: its length is ", *length, ", it was ", total));
    }
    if (range.start == 0) return absl::OkStatus();
    return SourceLies(StrCat("source ignored the range ", FormatRangeHeader(range)));
  }
  const auto value = FindHeader(head.headers, "Content-Range");
  if (!value) return SourceLies("source answers with a part and no Content-Range");
  const auto got = ParseContentRange(*value);
  if (!got.ok() || !got->range) return SourceLies("source answers with a bad Content-Range");
  if (got->total && *got->total != total) {
    return SourceLies(StrCat("source changed: its length is ", *got->total, ", it was ", total));
  }
  if (*got->range != range) {
    return SourceLies(StrCat("source answers with the range ", FormatRangeHeader(*got->range),
                             " instead of ", FormatRangeHeader(range)));
  }
  if (length && *length != range.length) {
    return SourceLies(StrCat("source announces a length of ", *length, " for a range of ",
                             range.length, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckWholeAnswer(const HttpClientResponse& head, std::optional<std::uint64_t> total) {
  if (!IsSuccess(head.status_code)) return StatusFailure(head);
  if (head.status_code == 206) {
    return SourceLies("source answers with a part where the whole was asked for");
  }
  const auto length = ContentLength(head);
  const bool told = length && !FindHeader(head.headers, "Transfer-Encoding");
  if (told && total && *length != *total) {
    return SourceLies(StrCat("source changed: its length is ", *length, ", it was ", *total));
  }
  return absl::OkStatus();
}

absl::Status CheckEtag(const HttpClientResponse& head, const std::string& expected) {
  if (expected.empty()) return absl::OkStatus();
  const std::string etag = StrongEtag(head.headers);
  if (etag.empty() || etag == expected) return absl::OkStatus();
  return SourceLies("source changed: it has another version (ETag) now");
}

bool IsTransient(const HttpClientResponse& head) {
  return head.status_code >= 500 || head.status_code == 408 || head.status_code == 429;
}

std::chrono::milliseconds RetryAfter(const HttpClientResponse& head,
                                     std::chrono::milliseconds longest) {
  const auto value = FindHeader(head.headers, "Retry-After");
  const auto seconds = value ? ParseNumber(*value) : std::nullopt;
  if (!seconds) return {};
  const auto limit = static_cast<std::uint64_t>(longest.count()) / 1000;
  if (*seconds > limit) return longest;
  return std::chrono::seconds(*seconds);
}

}  // namespace dragonfly::dfdaemon
