#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/http/connection_timer.h"
#include "common/http/server.h"

namespace dragonfly {

class ConnectionResponder;
class HttpRequestParser;

/// One HTTP/1 connection of a server: reads requests, calls the handler, keeps the limits.
class HttpConnection {
 public:
  struct Peer {
    std::string ip;
    std::uint16_t port = 0;
  };

  HttpConnection(asio::any_io_executor executor, std::unique_ptr<HttpStream> stream, Peer peer,
                 HttpServerLimits limits, HttpHandler handler);
  ~HttpConnection();

  /// Serves until the connection ends. With `tls` a handshake comes first.
  Awaitable<> Run(std::shared_ptr<const HttpServerTls> tls);

  /// Ends the connection once no request is being answered.
  void CloseWhenIdle();

 private:
  class Request;
  enum class Next : std::uint8_t { kContinue, kClose, kCloseGently, kAbort, kLeave };

  Awaitable<Next> ServeOne();
  Awaitable<absl::Status> ReadHead(HttpRequestParser& parser);
  Awaitable<Next> RefuseHead(absl::Status why);
  Awaitable<> CallHandler(Request& request, ConnectionResponder& responder);
  Awaitable<> RunHandler(Request& request, ConnectionResponder& responder);
  Awaitable<> WatchClient();
  Awaitable<Next> AfterHandler(Request& request, ConnectionResponder& responder);
  Awaitable<> CloseGently();
  /// Appends what the client sent to buffer_; false at its end. Cancelled, DeadlineExceeded.
  Awaitable<absl::StatusOr<bool>> Fill();

  const asio::any_io_executor executor_;
  std::unique_ptr<HttpStream> stream_;
  const Peer peer_;
  const HttpServerLimits limits_;
  const HttpHandler handler_;

  std::string buffer_;  ///< Received and not parsed yet.
  bool idle_ = false;
  bool closing_ = false;
  ConnectionTimer timer_;
};

}  // namespace dragonfly
