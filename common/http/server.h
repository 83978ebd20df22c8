#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/http/headers.h"
#include "common/http/stream.h"

namespace dragonfly {

class Runtime;
class HttpServerTls;

/// Limits of one connection. Zero is never "unlimited" here.
struct HttpServerLimits {
  std::size_t head_bytes_max = 64 * 1024;       ///< Request line and fields; 431 beyond.
  std::uint64_t body_bytes_max = 1024 * 1024;   ///< Of one request; 413 beyond.
  std::chrono::milliseconds head_timeout{15'000};   ///< From the first byte to the end of the head.
  std::chrono::milliseconds idle_timeout{120'000};  ///< Between requests.
  /// Without a byte moving while a body is received or an answer is sent: a client that does not
  /// read is dropped, however long it is allowed to take in total.
  std::chrono::milliseconds stall_timeout{300'000};
};

struct HttpServerOptions {
  std::string ip = "127.0.0.1";  ///< Numeric IPv4 or IPv6 address to listen at.
  std::uint16_t port = 0;        ///< 0 = any free one.
  std::size_t connections_max = 16'384;  ///< Beyond, new ones wait in the kernel's queue.
  HttpServerLimits limits;
  /// TLS for every connection; null = plain.
  std::shared_ptr<const HttpServerTls> tls;
};

/// A request as it came. Valid during the handler. Methods and fields are not interpreted: HEAD is
/// "HEAD", and `target` may have any of the four forms of RFC 9112.
class HttpRequest {
 public:
  virtual ~HttpRequest() = default;

  std::string method;
  std::string target;     ///< Origin form `/path?query`, absolute form, `host:port` or `*`.
  unsigned version = 11;  ///< 10 or 11.
  HttpHeaders headers;
  std::string remote_ip;  ///< Without brackets.
  std::uint16_t remote_port = 0;
  bool has_body = false;
  std::optional<std::uint64_t> content_length;  ///< Absent for a chunked body.

  /// `target` up to '?', and what follows it.
  [[nodiscard]] std::string_view Path() const;
  [[nodiscard]] std::string_view Query() const;

  /// The next bytes of the body (chunks are taken apart); 0 at its end. ResourceExhausted beyond
  /// body_bytes_max, Cancelled when the client is gone, DeadlineExceeded when it stalls. A body that
  /// the handler does not read is skipped up to 256 KiB; a longer one closes the connection.
  virtual Awaitable<absl::StatusOr<std::size_t>> ReadBody(std::span<std::byte> out) = 0;

  /// The whole body; ResourceExhausted beyond `bytes_max`.
  Awaitable<absl::StatusOr<std::string>> ReadWholeBody(std::size_t bytes_max);
};

/// A whole answer.
struct HttpResponse {
  int status = 200;
  HttpHeaders headers;  ///< Without Content-Length, Transfer-Encoding and Connection: ours.
  std::string body;

  static HttpResponse Text(int status, std::string body);
  static HttpResponse Json(int status, std::string body);
};

/// How the body of a streamed answer ends.
struct HttpResponseHead {
  int status = 200;
  /// As above. Exception: the answer to HEAD may carry a Content-Length, which is sent as it is.
  HttpHeaders headers;
  /// Body bytes that will follow. Absent: chunked, or until close for an HTTP/1.0 client.
  std::optional<std::uint64_t> content_length;
  std::string reason;  ///< Empty: the usual one.
};

/// Answers one request: Send(), or Begin() and then Write()/SendFile() and End(), or Upgrade(). Every
/// call returns Cancelled when the client is gone; the handler then just returns. A handler that
/// returns without a complete answer closes the connection (500 when nothing was sent yet), so that
/// a client never takes a part for the whole. Bodies of answers to HEAD are dropped here.
class HttpResponder {
 public:
  virtual ~HttpResponder() = default;

  virtual Awaitable<absl::Status> Send(HttpResponse response) = 0;

  /// Takes the head; it leaves together with the first bytes of the body.
  virtual Awaitable<absl::Status> Begin(HttpResponseHead head) = 0;
  /// Returns when the bytes may be reused. OutOfRange beyond content_length.
  virtual Awaitable<absl::Status> Write(std::span<const std::byte> bytes) = 0;
  /// The same with bytes of a file, by sendfile where the connection allows. DataLoss when the file
  /// is shorter.
  virtual Awaitable<absl::Status> SendFile(int fd, std::uint64_t offset, std::uint64_t length) = 0;
  /// FailedPrecondition when bytes are missing (the connection is closed then).
  virtual Awaitable<absl::Status> End() = 0;

  /// Sends `head` without a body and hands over the connection, with what the client may have sent
  /// already: for CONNECT. The server counts the connection until the handler returns.
  virtual Awaitable<absl::StatusOr<std::unique_ptr<HttpStream>>> Upgrade(HttpResponseHead head) = 0;

  /// The connection is closed after this answer.
  virtual void CloseAfterwards() = 0;
  /// True once the head may have left.
  [[nodiscard]] virtual bool begun() const = 0;
};

/// Called for each request on the executor of its connection; requests of a connection come one
/// after the other. The coroutine is cancelled when the client of a request without body goes away
/// and when the server stops, so what it awaits must clean up in destructors.
using HttpHandler = std::function<Awaitable<>(HttpRequest&, HttpResponder&)>;

/// Serves requests on `stream` until it ends; for what a CONNECT tunnel carries. `tls` null = plain.
/// Cancel it to stop. A request's remote address is that of `peer`.
Awaitable<> ServeHttp(std::unique_ptr<HttpStream> stream, std::shared_ptr<const HttpServerTls> tls,
                      HttpServerLimits limits, const HttpRequest& peer, HttpHandler handler);

/// HTTP/1.0 and 1.1 server. Thread-safe.
class HttpServer {
 public:
  /// Listens and serves from now on. `executors` are serial; connections are spread over them.
  /// Bytes that are no HTTP request are answered with 400 at once, TLS handshakes included:
  /// containerd tries TLS on plain ports and waits for that answer. The handler is copied.
  /// InvalidArgument for a bad address; Unavailable, naming the address, when it cannot be bound.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Listen(
      HttpServerOptions options, std::vector<asio::any_io_executor> executors, HttpHandler handler);
  /// The same over all executors of `runtime`.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Listen(HttpServerOptions options,
                                                            Runtime& runtime, HttpHandler handler);

  /// Await Stop() first.
  virtual ~HttpServer() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual std::size_t connections() const = 0;
  /// Stops listening, closes connections that wait for a request, lets running requests end for
  /// `grace`, then cancels them, and returns when nothing runs.
  virtual Awaitable<> Stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace dragonfly
