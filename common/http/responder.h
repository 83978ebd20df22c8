#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/http/connection_timer.h"
#include "common/http/response_head.h"
#include "common/http/server.h"

namespace dragonfly {

/// Writes the answer to one request to a connection's stream.
class ConnectionResponder final : public HttpResponder {
 public:
  struct Context {
    std::unique_ptr<HttpStream>& stream;
    std::string& unread;  ///< Received behind the request; goes along with Upgrade().
    ConnectionTimer& timer;
    Duration stall_timeout;
    const HttpRequest& request;
    bool keep_alive = true;
  };
  explicit ConnectionResponder(Context context) : with_(context) {}

  Awaitable<absl::Status> Send(HttpResponse response) override;
  Awaitable<absl::Status> Begin(HttpResponseHead head) override;
  Awaitable<absl::Status> Write(std::span<const std::byte> bytes) override;
  Awaitable<absl::Status> SendFile(int fd, std::uint64_t offset, std::uint64_t length) override;
  Awaitable<absl::Status> End() override;
  Awaitable<absl::StatusOr<std::unique_ptr<HttpStream>>> Upgrade(HttpResponseHead head) override;
  void CloseAfterwards() override { with_.keep_alive = false; }
  [[nodiscard]] bool begun() const override { return state_ != State::kFresh; }

  [[nodiscard]] bool complete() const { return state_ == State::kComplete; }
  [[nodiscard]] bool upgraded() const { return state_ == State::kUpgraded; }
  [[nodiscard]] bool keep_alive() const { return with_.keep_alive; }
  /// The end of the connection would look like the end of the body.
  [[nodiscard]] bool end_is_ambiguous() const {
    return state_ == State::kBody && framing_ == BodyFraming::kUntilClose;
  }

 private:
  enum class State : std::uint8_t { kFresh, kBody, kComplete, kBroken, kUpgraded };

  [[nodiscard]] bool drops_body() const {
    return with_.request.method == "HEAD" || framing_ == BodyFraming::kNone;
  }
  absl::Status Account(std::uint64_t bytes);
  Awaitable<absl::Status> Put(std::span<const std::byte> bytes, HttpStream::Push push);
  Awaitable<absl::Status> PutText(std::string text, HttpStream::Push push);
  /// The bytes that go before a piece of the body: the head, if it has not left yet, and a chunk's.
  std::string Lead(std::uint64_t body_bytes);

  Context with_;
  State state_ = State::kFresh;
  BodyFraming framing_ = BodyFraming::kNone;
  std::string head_;  ///< Not sent yet.
  std::uint64_t body_length_ = 0;
  std::uint64_t sent_ = 0;
};

}  // namespace dragonfly
