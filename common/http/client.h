#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/http/headers.h"

namespace dragonfly {

/// Zero = no limit.
struct HttpClientTimeouts {
  std::chrono::milliseconds connect{30'000};  ///< Name, TCP, TLS.
  std::chrono::milliseconds head{0};          ///< From the start to the end of the response head.
  std::chrono::milliseconds idle{60'000};     ///< Without a byte in either direction, pauses apart.
  std::chrono::milliseconds total{0};         ///< The whole exchange.
};

struct HttpClientRequest {
  std::string method = "GET";
  /// http or https; credentials in it become an Authorization header. Sent as it is: path segments
  /// are not normalised.
  std::string url;
  /// Sent in this order and case. Nothing is added but Host, and Content-Length or Transfer-Encoding,
  /// which are always ours. Accept-Encoding too is the caller's; bodies are never decompressed.
  HttpHeaders headers;

  enum class Body : std::uint8_t {
    kNone,
    kFixed,     ///< `body`.
    kStreamed,  ///< HttpExchange::Write; `streamed_length` bytes, or chunked when that is absent.
  };
  Body body_kind = Body::kNone;
  std::string body;
  std::optional<std::uint64_t> streamed_length;

  /// Redirects to follow; 0 = hand a 3xx answer to the caller. Authorization and Cookie are not sent
  /// on to another host.
  unsigned max_redirects = 0;
  /// Offer HTTP/2 in the TLS handshake. It puts all requests to a host on one connection, and a
  /// stream that is not read costs up to 32 MiB of memory, so it is off by default.
  bool allow_http2 = false;
  /// Trust any certificate.
  bool insecure = false;
  /// PEM certificates to trust besides the system's.
  std::string extra_ca_pem;
  HttpClientTimeouts timeouts;
};

struct HttpClientResponse {
  int status_code = 0;
  std::string reason;         ///< May be empty.
  unsigned version = 11;      ///< 10, 11 or 20.
  HttpHeaders headers;        ///< Order and case as received; names in lower case with HTTP/2.
  std::string effective_url;  ///< After redirects that were followed.
};

/// Where the body of a response goes. Called on the executor of the caller of Fetch, never after
/// Fetch has returned.
class HttpBodySink {
 public:
  enum class Flow : std::uint8_t { kContinue, kPause };

  virtual ~HttpBodySink() = default;
  /// The response head, once, before any body. A bad status aborts the exchange and becomes Fetch's.
  virtual absl::Status OnHead(const HttpClientResponse& head) = 0;
  /// The next bytes of the body, 16 KiB at most, valid during the call; all of them count as taken.
  /// After kPause nothing more comes until WhenReady() has returned. A bad status as in OnHead.
  virtual absl::StatusOr<Flow> OnBody(std::span<const std::byte> bytes) = 0;
  /// Awaited after kPause.
  virtual Awaitable<> WhenReady() { co_return; }
};

/// One request and its answer, read piece by piece. Belongs to the executor that opened it; one
/// member function at a time, but the destructor any time, which aborts what has not ended.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  /// Sends the next bytes of a kStreamed body; returns when they may be reused. FailedPrecondition
  /// when the response head is there already and the server does not want the rest: go on with
  /// ReadHead(). Other errors as in Fetch.
  virtual Awaitable<absl::Status> Write(std::span<const std::byte> bytes) = 0;
  /// The streamed body is complete.
  virtual void FinishBody() = 0;
  /// The response head; the same one when called again.
  virtual Awaitable<absl::StatusOr<HttpClientResponse>> ReadHead() = 0;
  /// The next bytes of the response body, valid until the next call; empty at its end. The source is
  /// read at most 512 KiB ahead.
  virtual Awaitable<absl::StatusOr<std::span<const std::byte>>> ReadSome() = 0;
};

/// Proxies to reach servers through, URLs as curl takes them. Empty = direct.
struct HttpProxies {
  std::string http;      ///< For http URLs.
  std::string https;     ///< For https URLs.
  std::string no_proxy;  ///< Comma-separated hosts, domains and networks to reach directly; "*" all.

  /// http_proxy, https_proxy, all_proxy and no_proxy, in lower or upper case.
  static HttpProxies FromEnvironment();
};

struct HttpClientOptions {
  HttpProxies proxies;
  /// Connections kept open without use, per executor.
  std::size_t idle_connections_max = 64;
  /// How long a resolved name is used again.
  std::chrono::seconds dns_cache_ttl{60};
  /// Receive buffer of a running exchange, bytes; 16 KiB to 512 KiB.
  std::size_t receive_buffer_bytes = 512 * 1024;
};

/// HTTP/1.1 and HTTP/2 client. Connections are kept and used again. Thread-safe; work happens on the
/// given executors, one engine each.
///
/// Errors: InvalidArgument for a bad URL, method or header · Unavailable when the server cannot be
/// reached or the connection breaks before the response head is complete · DataLoss when it breaks
/// later, or the answer is not HTTP · FailedPrecondition when its certificate is not trusted or there
/// are too many redirects · DeadlineExceeded · ResourceExhausted for a head of more than 256 KiB.
/// Texts hold no URL and no header value.
class HttpClient {
 public:
  /// `executors` are serial and outlive the client and its exchanges; at least one.
  HttpClient(HttpClientOptions options, std::vector<asio::any_io_executor> executors);
  /// Await Stop() first.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Sends a request (body_kind kNone or kFixed) and returns the head once the whole body went to
  /// `sink`. Runs on the caller's executor when it is one of ours, else on one of ours, where `sink`
  /// is then called. Cancelling the caller aborts the exchange.
  Awaitable<absl::StatusOr<HttpClientResponse>> Fetch(HttpClientRequest request,
                                                      HttpBodySink& sink);
  /// The same with the body in memory; ResourceExhausted when it is longer than `body_bytes_max`.
  struct Reply {
    HttpClientResponse head;
    std::string body;
  };
  Awaitable<absl::StatusOr<Reply>> FetchToMemory(HttpClientRequest request,
                                                 std::size_t body_bytes_max);

  /// Starts an exchange that the caller drives; call it on one of our executors (FailedPrecondition
  /// otherwise). Errors of the network come from the exchange's functions.
  Awaitable<absl::StatusOr<std::unique_ptr<HttpExchange>>> Open(HttpClientRequest request);

  /// Aborts every exchange with Cancelled and closes the connections; new ones are refused.
  Awaitable<> Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// PEM text of DER certificates, for extra_ca_pem.
[[nodiscard]] std::string PemFromDer(const std::vector<std::string>& certificates);

}  // namespace dragonfly
