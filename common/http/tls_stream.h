#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/http/server_tls.h"
#include "common/http/stream.h"

namespace dragonfly {

/// The server's side of a TLS handshake over `inner`; the caller limits the time. DataLoss for what
/// is no TLS or not acceptable, Cancelled when the client left.
Awaitable<absl::StatusOr<std::unique_ptr<HttpStream>>> AcceptTls(
    std::unique_ptr<HttpStream> inner, std::shared_ptr<const HttpServerTls> tls);

}  // namespace dragonfly
