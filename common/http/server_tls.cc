#include "common/http/server_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <utility>
#include <vector>

#include "common/base/strings.h"
#include "common/http/server_tls_context.h"

namespace dragonfly {
namespace {

using BioPtr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using X509Ptr = std::unique_ptr<X509, decltype(&X509_free)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::string LastError() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

BioPtr ReadOnly(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free_all};
}

std::vector<X509Ptr> ReadCertificates(const std::string& pem) {
  std::vector<X509Ptr> certificates;
  const BioPtr bio = ReadOnly(pem);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate, X509_free);
  }
  ERR_clear_error();  // The end of the text counts as an error there.
  return certificates;
}

int SelectHttp1(SSL*, const unsigned char** out, unsigned char* out_length,
                const unsigned char* in, unsigned int in_length, void*) {
  static constexpr unsigned char kOffered[] = "\x08http/1.1\x08http/1.0";
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_length, kOffered, sizeof(kOffered) - 1, in,
                            in_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

HttpServerTls::HttpServerTls(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServerTls::~HttpServerTls() = default;

absl::StatusOr<std::shared_ptr<const HttpServerTls>> HttpServerTls::Create(
    const HttpServerTlsOptions& options) {
  auto impl = std::make_unique<Impl>();
  SSL_CTX* context = impl->context.get();
  if (context == nullptr) return absl::InternalError(StrCat("TLS context: ", LastError()));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, SelectHttp1, nullptr);

  const auto chain = ReadCertificates(options.certificate_chain_pem);
  if (chain.empty()) return absl::InvalidArgumentError("server certificate: no PEM certificate");
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return absl::InvalidArgumentError(StrCat("server certificate: ", LastError()));
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) {
      return absl::InvalidArgumentError(StrCat("certificate chain: ", LastError()));
    }
  }
  const BioPtr key_bio = ReadOnly(options.private_key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr),
                   EVP_PKEY_free);
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return absl::InvalidArgumentError(StrCat("private key: ", LastError()));
  }
  if (!options.client_ca_pem.empty()) {
    const auto authorities = ReadCertificates(options.client_ca_pem);
    if (authorities.empty()) return absl::InvalidArgumentError("client CA: no PEM certificate");
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    for (const auto& authority : authorities) {
      X509_STORE_add_cert(store, authority.get());
      SSL_CTX_add_client_CA(context, authority.get());
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return std::make_shared<const HttpServerTls>(std::move(impl));
}

}  // namespace dragonfly
