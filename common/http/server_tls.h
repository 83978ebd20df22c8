#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace dragonfly {

/// PEM texts.
struct HttpServerTlsOptions {
  std::string certificate_chain_pem;  ///< Leaf first.
  std::string private_key_pem;
  /// When given, clients must present a certificate that one of these signed.
  std::string client_ca_pem;
};

/// Certificate and key of a TLS server; TLS 1.2 and later, ALPN offers only http/1.1. Immutable,
/// shared by connections.
class HttpServerTls {
 public:
  /// InvalidArgument names the part that cannot be used.
  static absl::StatusOr<std::shared_ptr<const HttpServerTls>> Create(
      const HttpServerTlsOptions& options);

  class Impl;
  explicit HttpServerTls(std::unique_ptr<Impl> impl);
  ~HttpServerTls();
  [[nodiscard]] Impl& impl() const { return *impl_; }

 private:
  const std::unique_ptr<Impl> impl_;
};

}  // namespace dragonfly
