#include "dfdaemon/proxy/proxy.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <utility>

#include "common/base/status_macros.h"
#include "common/base/status_util.h"
#include "common/base/strings.h"
#include "common/http/server.h"
#include "common/net/url.h"
#include "dfdaemon/proxy/proxy_handler.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::size_t kHeadBytesMax = 4 * kMiB;

absl::StatusOr<std::string> ReadPem(std::string_view key, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(StrCat(key, ": ", path, " cannot be read"));
  }
  return text;
}

absl::StatusOr<std::vector<std::string>> DerFromPem(const std::string& pem) {
  std::vector<std::string> certificates;
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all);
  while (true) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
    if (!certificate) break;
    unsigned char* der = nullptr;
    const int length = i2d_X509(certificate.get(), &der);
    if (length <= 0) break;
    certificates.emplace_back(reinterpret_cast<const char*>(der),
                              static_cast<std::size_t>(length));
    OPENSSL_free(der);
  }
  ERR_clear_error();  // The end of the text counts as an error there.
  if (certificates.empty()) return absl::InvalidArgumentError("no PEM certificate");
  return certificates;
}

HttpServerLimits LimitsOf(const ProxyOptions& options) {
  HttpServerLimits limits;
  limits.head_bytes_max = std::clamp<std::size_t>(options.head_bytes_max, 8 * kKiB, kHeadBytesMax);
  // Images are pushed through here too.
  limits.body_bytes_max = std::numeric_limits<std::uint64_t>::max();
  return limits;
}

class ProxyImpl final : public Proxy {
 public:
  ProxyImpl(ProxyOptions options, Collaborators with, ProxyHandler::Parts parts)
      : options_(std::move(options)), data_(with.data), handler_(options_, with, std::move(parts)) {}

  absl::Status Start() override {
    HttpServerOptions server;
    server.ip = options_.ip;
    server.port = options_.port;
    server.connections_max = options_.connections_max;
    server.limits = LimitsOf(options_);
    auto serve = [this](HttpRequest& request, HttpResponder& responder) {
      return handler_.Serve(request, responder);
    };
    auto listening = HttpServer::Listen(std::move(server), data_, std::move(serve));
    if (!listening.ok()) return Annotate(listening.status(), "proxy");
    server_ = *std::move(listening);
    handler_.SetOwnPort(server_->port());
    return absl::OkStatus();
  }

  [[nodiscard]] std::uint16_t port() const override {
    return server_ == nullptr ? std::uint16_t{0} : server_->port();
  }

  Awaitable<> Stop(std::chrono::milliseconds grace) override {
    if (server_ != nullptr) co_await server_->Stop(grace);
    co_await handler_.Stop();
  }

 private:
  const ProxyOptions options_;
  Runtime& data_;
  ProxyHandler handler_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Proxy>> Proxy::Create(ProxyOptions options, Collaborators with) {
  const auto registry = Url::Parse(options.registry_addr);
  if (!registry.ok() || (registry->scheme() != "http" && registry->scheme() != "https")) {
    return absl::InvalidArgumentError(
        StrCat("proxy.registryMirror.addr: ", options.registry_addr, " is no http or https URL"));
  }
  if (options.username.empty() != options.password.empty()) {
    return absl::InvalidArgumentError("proxy.server.basicAuth: needs username and password");
  }
  auto rules = RuleSet::Create(options.rules);
  if (!rules.ok()) return rules.status();
  ProxyHandler::Parts parts{*std::move(rules), nullptr, {}, {}, LimitsOf(options)};
  if (!options.ca_cert_path.empty() && !options.ca_key_path.empty()) {
    ASSIGN_OR_RETURN(const std::string certificate,
                     ReadPem("proxy.server.caCert", options.ca_cert_path));
    ASSIGN_OR_RETURN(const std::string key, ReadPem("proxy.server.caKey", options.ca_key_path));
    auto issuer = CertificateIssuer::Create(certificate, key, with.clock);
    if (!issuer.ok()) return Annotate(issuer.status(), "proxy.server.caCert and caKey");
    parts.issuer = *std::move(issuer);
  }
  if (!options.registry_cert_path.empty()) {
    ASSIGN_OR_RETURN(parts.registry_cert_pem,
                     ReadPem("proxy.registryMirror.cert", options.registry_cert_path));
    auto der = DerFromPem(parts.registry_cert_pem);
    if (!der.ok()) {
      return Annotate(der.status(),
                      StrCat("proxy.registryMirror.cert: ", options.registry_cert_path));
    }
    parts.registry_cert_der = *std::move(der);
  }
  return std::make_unique<ProxyImpl>(std::move(options), with, std::move(parts));
}

}  // namespace dragonfly::dfdaemon
