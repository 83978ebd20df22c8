#include "common/http/responder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/base/bytes.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/http/tcp_stream.h"

namespace dragonfly {
namespace {

constexpr std::size_t kSendTogetherBytes = 16 * 1024;

// A limit that ends with the write it covers.
class StallLimit {
 public:
  StallLimit(ConnectionTimer& timer, Duration limit) : timer_(timer) { timer_.WhileMoving(limit); }
  ~StallLimit() { timer_.Off(); }
  StallLimit(const StallLimit&) = delete;
  StallLimit& operator=(const StallLimit&) = delete;

 private:
  ConnectionTimer& timer_;
};

}  // namespace

Awaitable<absl::Status> ConnectionResponder::Send(HttpResponse response) {
  HttpResponseHead head;
  head.status = response.status;
  head.headers = std::move(response.headers);
  head.content_length = response.body.size();
  absl::Status status = co_await Begin(std::move(head));
  if (!status.ok()) co_return status;
  if (!response.body.empty()) {
    if (response.body.size() <= kSendTogetherBytes && !drops_body()) {
      status = Account(response.body.size());
      if (!status.ok()) co_return status;
      head_.append(response.body);
    } else {
      status = co_await Write(AsBytes(response.body));
      if (!status.ok()) co_return status;
    }
  }
  co_return co_await End();
}

Awaitable<absl::Status> ConnectionResponder::Begin(HttpResponseHead head) {
  if (state_ != State::kFresh) co_return absl::FailedPreconditionError("answer: begun already");
  framing_ = ChooseFraming(head, with_.request.method, with_.request.version);
  if (framing_ == BodyFraming::kUntilClose) with_.keep_alive = false;
  if (framing_ == BodyFraming::kContentLength) body_length_ = *head.content_length;
  head_ = WriteResponseHead(head, framing_, with_.request.version, with_.keep_alive);
  state_ = State::kBody;
  co_return absl::OkStatus();
}

absl::Status ConnectionResponder::Account(std::uint64_t bytes) {
  if (state_ != State::kBody) return absl::FailedPreconditionError("answer: not begun or broken");
  if (framing_ == BodyFraming::kContentLength && bytes > body_length_ - sent_) {
    state_ = State::kBroken;
    return absl::OutOfRangeError("answer: more bytes than announced");
  }
  sent_ += bytes;
  return absl::OkStatus();
}

std::string ConnectionResponder::Lead(std::uint64_t body_bytes) {
  std::string lead = std::exchange(head_, {});
  if (framing_ == BodyFraming::kChunked && body_bytes > 0) {
    absl::StrAppend(&lead, absl::Hex(body_bytes), "\r\n");
  }
  return lead;
}

Awaitable<absl::Status> ConnectionResponder::Put(std::span<const std::byte> bytes,
                                                 HttpStream::Push push) {
  if (bytes.empty()) co_return absl::OkStatus();
  if (with_.stream == nullptr) co_return absl::CancelledError("connection: handed over");
  const StallLimit limit(with_.timer, with_.stall_timeout);
  absl::Status status = co_await with_.stream->Write(bytes, push);
  if (!status.ok()) state_ = State::kBroken;
  co_return status;
}

Awaitable<absl::Status> ConnectionResponder::PutText(std::string text, HttpStream::Push push) {
  co_return co_await Put(AsBytes(text), push);
}

Awaitable<absl::Status> ConnectionResponder::Write(std::span<const std::byte> bytes) {
  CO_RETURN_IF_ERROR(Account(bytes.size()));
  if (bytes.empty() || drops_body()) co_return absl::OkStatus();
  using Push = HttpStream::Push;
  const bool chunked = framing_ == BodyFraming::kChunked;
  absl::Status status = co_await PutText(Lead(bytes.size()), Push::kMoreFollows);
  if (status.ok()) status = co_await Put(bytes, chunked ? Push::kMoreFollows : Push::kNow);
  if (status.ok() && chunked) status = co_await PutText("\r\n", Push::kNow);
  co_return status;
}

Awaitable<absl::Status> ConnectionResponder::SendFile(int fd, std::uint64_t offset,
                                                      std::uint64_t length) {
  CO_RETURN_IF_ERROR(Account(length));
  if (length == 0 || drops_body()) co_return absl::OkStatus();
  using Push = HttpStream::Push;
  absl::Status status = co_await PutText(Lead(length), Push::kMoreFollows);
  if (!status.ok()) co_return status;
  {
    const StallLimit limit(with_.timer, with_.stall_timeout);
    status = co_await with_.stream->WriteFile(fd, offset, length, Push::kNow);
  }
  if (!status.ok()) {
    state_ = State::kBroken;
    co_return status;
  }
  if (framing_ == BodyFraming::kChunked) status = co_await PutText("\r\n", Push::kNow);
  co_return status;
}

Awaitable<absl::Status> ConnectionResponder::End() {
  if (state_ != State::kBody) co_return absl::FailedPreconditionError("answer: not begun or broken");
  if (framing_ == BodyFraming::kContentLength && sent_ != body_length_ && !drops_body()) {
    state_ = State::kBroken;
    co_return absl::FailedPreconditionError("answer: fewer bytes than announced");
  }
  std::string last = Lead(0);
  if (framing_ == BodyFraming::kChunked && !drops_body()) last.append("0\r\n\r\n");
  absl::Status status = co_await PutText(std::move(last), HttpStream::Push::kNow);
  if (status.ok()) state_ = State::kComplete;
  co_return status;
}

Awaitable<absl::StatusOr<std::unique_ptr<HttpStream>>> ConnectionResponder::Upgrade(
    HttpResponseHead head) {
  if (state_ != State::kFresh || with_.request.method != "CONNECT") {
    co_return absl::FailedPreconditionError("upgrade: only as the answer to CONNECT");
  }
  state_ = State::kBody;
  absl::Status status = co_await PutText(WriteResponseHead(head, BodyFraming::kNone, 11, true),
                                         HttpStream::Push::kNow);
  if (!status.ok()) co_return status;
  state_ = State::kUpgraded;
  with_.timer.SetStream(nullptr);
  std::unique_ptr<HttpStream> stream = std::move(with_.stream);
  if (!with_.unread.empty()) {
    stream = std::make_unique<PrefixedStream>(std::exchange(with_.unread, {}), std::move(stream));
  }
  co_return stream;
}

}  // namespace dragonfly
