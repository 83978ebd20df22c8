#include "dfdaemon/proxy/answers.h"

#include <initializer_list>
#include <utility>

#include "common/base/strings.h"
#include "common/net/range.h"
#include "dfdaemon/proxy/request_headers.h"

namespace dragonfly::dfdaemon {
namespace {

std::string_view NameOf(ErrorType type) {
  switch (type) {
    case ErrorType::kBackend:
      return "backend";
    case ErrorType::kProxy:
      return "proxy";
    case ErrorType::kDfdaemon:
      return "dfdaemon";
  }
  return "proxy";
}

void Remove(HttpHeaders& headers, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) RemoveHeader(headers, name);
}

std::string Message(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace

HttpResponse ErrorAnswer(int status, ErrorType type, std::string_view text) {
  HttpResponse answer = HttpResponse::Text(status, StrCat(text, "\n"));
  answer.headers.emplace_back(kErrorTypeHeader, NameOf(type));
  return answer;
}

HttpResponse TaskErrorAnswer(const absl::Status& status) {
  if (const auto source = GetSourceError(status)) {
    const bool passes = source->status_code && *source->status_code >= 300 &&
                        *source->status_code <= 599;
    if (!passes) return ErrorAnswer(500, ErrorType::kBackend, StrCat("origin: ", source->message));
    HttpResponse answer;
    answer.status = *source->status_code;
    answer.headers = EndToEndHeaders(source->headers);
    // They describe a body that is not sent, or another client's session.
    Remove(answer.headers, {"Content-Length", "Content-Encoding", "Content-Range", "Set-Cookie"});
    SetHeader(answer.headers, kErrorTypeHeader, std::string(NameOf(ErrorType::kBackend)));
    return answer;
  }
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return ErrorAnswer(500, ErrorType::kProxy, Message(status));
    case absl::StatusCode::kPermissionDenied:
      return ErrorAnswer(403, ErrorType::kProxy, Message(status));
    case absl::StatusCode::kDeadlineExceeded:
      return ErrorAnswer(504, ErrorType::kDfdaemon, Message(status));
    default:
      return ErrorAnswer(500, ErrorType::kDfdaemon, Message(status));
  }
}

HttpResponse UnsatisfiableRange(std::optional<std::uint64_t> content_length) {
  HttpResponse answer =
      ErrorAnswer(416, ErrorType::kDfdaemon, "the range is not within the content");
  if (content_length) {
    answer.headers.emplace_back("Content-Range", StrCat("bytes */", *content_length));
  }
  return answer;
}

HttpResponseHead TaskHead(const DownloadStarted& started, std::string_view server_ip) {
  HttpResponseHead head;
  head.headers = EndToEndHeaders(started.response_headers);
  Remove(head.headers, {"Content-Length", "Content-Range", "Set-Cookie", "Set-Cookie2",
                        "WWW-Authenticate", "Alt-Svc", "Age", kErrorTypeHeader, kTaskIdHeader,
                        kFinishedHeader, kServerIpHeader});
  SetHeader(head.headers, "Accept-Ranges", "bytes");
  if (started.range) {
    head.status = 206;
    head.content_length = started.range->length;
    head.headers.emplace_back("Content-Range",
                              FormatContentRange(*started.range, started.content_length));
  } else {
    head.content_length = started.content_length;
  }
  head.headers.emplace_back(kTaskIdHeader, started.peer.task_id.str());
  if (started.is_finished) head.headers.emplace_back(kFinishedHeader, "true");
  head.headers.emplace_back(kServerIpHeader, server_ip);
  return head;
}

HttpResponse UnreachableAnswer(const absl::Status& status) {
  const int code = absl::IsDeadlineExceeded(status)   ? 504
                   : absl::IsInvalidArgument(status) ? 400
                                                     : 502;
  return ErrorAnswer(code, ErrorType::kProxy, StrCat("origin: ", Message(status)));
}

}  // namespace dragonfly::dfdaemon
