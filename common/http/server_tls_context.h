#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "common/http/server_tls.h"

// What HttpServerTls holds; for server_tls.cc and tls_stream.cc, so that nobody else needs OpenSSL.

namespace dragonfly {

class HttpServerTls::Impl {
 public:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context{SSL_CTX_new(TLS_server_method()),
                                                            SSL_CTX_free};
};

}  // namespace dragonfly
