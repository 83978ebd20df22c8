#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dragonfly {

/// What the origin saw.
struct OriginRequest {
  std::string method;
  std::string target;  ///< As in the request line.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::uint64_t connection = 0;  ///< Number of the connection, from 1.

  /// The first value of a field, without regard to case.
  [[nodiscard]] std::optional<std::string> Header(std::string_view name) const;
};

/// How to answer, lies included.
struct OriginReply {
  int status = 200;
  std::string reason = "OK";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  enum class Framing : std::uint8_t { kContentLength, kChunked, kUntilClose };
  Framing framing = Framing::kContentLength;
  /// Promised instead of the body's own length.
  std::optional<std::uint64_t> claimed_length;
  /// Close after that many bytes of the body, or inside the head for -1.
  std::optional<std::int64_t> close_after;
  /// Wait before the head; before each 64 KiB of the body.
  std::chrono::milliseconds delay_head{0};
  std::chrono::milliseconds delay_body{0};
  /// Sent as they are instead of everything above; then the connection closes.
  std::optional<std::string> raw;
};

/// An HTTP/1.1 origin on a real socket of 127.0.0.1 that records what it is asked and answers as it
/// is told. Thread-safe. Connections are kept alive unless the reply closes.
class FakeOrigin {
 public:
  using Handler = std::function<OriginReply(const OriginRequest&)>;

  /// `handler` is called on the origin's threads, one request per connection at a time.
  explicit FakeOrigin(Handler handler);
  /// Closes every connection.
  ~FakeOrigin();
  FakeOrigin(const FakeOrigin&) = delete;
  FakeOrigin& operator=(const FakeOrigin&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  /// `http://127.0.0.1:<port><path>`.
  [[nodiscard]] std::string Url(std::string_view path) const;
  /// Complete requests so far, in order of arrival.
  [[nodiscard]] std::vector<OriginRequest> requests() const;
  [[nodiscard]] std::size_t request_count() const;
  /// Connections accepted so far.
  [[nodiscard]] std::uint64_t connections() const;

  /// A well-behaved answer for `content`: 206 with Content-Range to a satisfiable Range, 416 to
  /// another, else 200.
  [[nodiscard]] static OriginReply Serve(const OriginRequest& request, std::string_view content);
  [[nodiscard]] static OriginReply Status(int status, std::string reason, std::string body = {});
  [[nodiscard]] static OriginReply Redirect(int status, std::string location);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dragonfly
