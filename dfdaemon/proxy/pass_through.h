#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/http/client.h"
#include "common/http/server.h"

namespace dragonfly::dfdaemon {

/// Hands a request to its origin and the answer back, as if the proxy were not there: redirects,
/// challenges and errors are the client's business. Bodies stream both ways, at the pace of the
/// slower side. Runs on an executor of the HttpClient.
class PassThrough {
 public:
  /// `extra_ca_pem`: certificates to trust besides the system's.
  PassThrough(HttpClient& client, std::string extra_ca_pem)
      : client_(client), extra_ca_pem_(std::move(extra_ca_pem)) {}

  struct Outcome {
    /// Why there is no whole answer: the origin's failure, or Cancelled when the client left.
    absl::Status status;
    /// True when part of an answer left, so that the connection must be closed.
    bool begun = false;
  };
  Awaitable<Outcome> Run(HttpRequest& request, HttpHeaders headers, HttpResponder& responder,
                         std::string url);

 private:
  Awaitable<absl::Status> SendBody(HttpRequest& request, HttpExchange& exchange);

  HttpClient& client_;
  const std::string extra_ca_pem_;
};

}  // namespace dragonfly::dfdaemon
