#include "dfdaemon/proxy/pass_through.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/base/strings.h"
#include "dfdaemon/proxy/request_headers.h"

namespace dragonfly::dfdaemon {
namespace {

// containerd waits without a limit for the head of an answer, so the limit is here.
constexpr std::chrono::milliseconds kHeadTimeout{60'000};
constexpr std::size_t kUploadBufferBytes = 128 * 1024;

HttpResponseHead HeadOf(const HttpClientResponse& response, const std::string& method) {
  HttpResponseHead head;
  head.status = response.status_code;
  head.reason = response.reason;
  head.headers = EndToEndHeaders(response.headers);
  std::uint64_t length = 0;
  const auto text = FindHeader(response.headers, "Content-Length");
  const bool chunked = FindHeader(response.headers, "Transfer-Encoding").has_value();
  // The answer to HEAD keeps the field as it is, without a body behind it.
  if (method != "HEAD" && !chunked && text && absl::SimpleAtoi(ToAbsl(*text), &length)) {
    head.content_length = length;
  }
  return head;
}

}  // namespace

Awaitable<absl::Status> PassThrough::SendBody(HttpRequest& request, HttpExchange& exchange) {
  std::vector<std::byte> buffer(kUploadBufferBytes);
  while (true) {
    const auto got = co_await request.ReadBody(buffer);
    if (!got.ok()) co_return got.status();
    if (*got == 0) break;
    absl::Status written = co_await exchange.Write(std::span(buffer).first(*got));
    // The origin answered early and wants no more.
    if (absl::IsFailedPrecondition(written)) co_return absl::OkStatus();
    if (!written.ok()) co_return written;
  }
  exchange.FinishBody();
  co_return absl::OkStatus();
}

Awaitable<PassThrough::Outcome> PassThrough::Run(HttpRequest& request, HttpHeaders headers,
                                                 HttpResponder& responder, std::string url) {
  Outcome outcome;
  HttpClientRequest forwarded;
  forwarded.method = request.method;
  forwarded.url = std::move(url);
  forwarded.headers = PassThroughHeaders(headers);
  forwarded.extra_ca_pem = extra_ca_pem_;
  if (request.has_body) {
    forwarded.body_kind = HttpClientRequest::Body::kStreamed;
    forwarded.streamed_length = request.content_length;
  } else {
    // An upload may take as long as it moves; an answer to nothing may not.
    forwarded.timeouts.head = kHeadTimeout;
    // An empty body of a method that has one is announced, or origins answer 411.
    if (FindHeader(headers, "Content-Length")) forwarded.body_kind = HttpClientRequest::Body::kFixed;
  }
  auto exchange = co_await client_.Open(std::move(forwarded));
  if (!exchange.ok()) {
    outcome.status = exchange.status();
    co_return outcome;
  }
  if (request.has_body) {
    outcome.status = co_await SendBody(request, **exchange);
    if (!outcome.status.ok()) co_return outcome;
  }
  const auto head = co_await (*exchange)->ReadHead();
  if (!head.ok()) {
    outcome.status = head.status();
    co_return outcome;
  }
  outcome.begun = true;
  outcome.status = co_await responder.Begin(HeadOf(*head, request.method));
  while (outcome.status.ok()) {
    const auto bytes = co_await (*exchange)->ReadSome();
    if (!bytes.ok()) {
      outcome.status = bytes.status();
      co_return outcome;
    }
    if (bytes->empty()) break;
    outcome.status = co_await responder.Write(*bytes);
  }
  if (outcome.status.ok()) outcome.status = co_await responder.End();
  co_return outcome;
}

}  // namespace dragonfly::dfdaemon
