#include "common/rpc/tls.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>

#include "common/base/status_macros.h"
#include "common/base/strings.h"

namespace dragonfly::rpc {
namespace {

// A certificate bundle of a distribution has about 200 KiB.
constexpr std::streamoff kMaxPemBytes = 16 * 1024 * 1024;

absl::StatusOr<std::string> ReadPem(const std::string& path, std::string_view what) {
  errno = 0;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    const std::string message = StrCat("read ", what, " ", path, ": ", std::strerror(errno));
    if (errno == EACCES) return absl::PermissionDeniedError(message);
    return absl::NotFoundError(message);
  }
  const std::streamoff size = file.tellg();
  if (size < 0 || size > kMaxPemBytes) {
    return absl::InvalidArgumentError(StrCat("read ", what, " ", path, ": not a PEM file"));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(text.data(), size)) {
    return absl::UnavailableError(StrCat("read ", what, " ", path, ": ", std::strerror(errno)));
  }
  if (text.find("-----BEGIN ") == std::string::npos) {
    return absl::InvalidArgumentError(StrCat("read ", what, " ", path, ": not a PEM file"));
  }
  return text;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerTls(const TlsFiles& files) {
  ASSIGN_OR_RETURN(std::string cert, ReadPem(files.cert, "certificate"));
  ASSIGN_OR_RETURN(std::string key, ReadPem(files.key, "private key"));
  grpc::SslServerCredentialsOptions options;
  if (!files.ca_cert.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem(files.ca_cert, "CA certificate"));
    options.client_certificate_request =
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
  }
  options.pem_key_cert_pairs.push_back({std::move(key), std::move(cert)});
  return grpc::SslServerCredentials(options);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ClientTls(const TlsFiles& files) {
  grpc::SslCredentialsOptions options;
  if (!files.ca_cert.empty()) {
    ASSIGN_OR_RETURN(options.pem_root_certs, ReadPem(files.ca_cert, "CA certificate"));
  }
  if (!files.cert.empty() && !files.key.empty()) {
    ASSIGN_OR_RETURN(options.pem_cert_chain, ReadPem(files.cert, "certificate"));
    ASSIGN_OR_RETURN(options.pem_private_key, ReadPem(files.key, "private key"));
  }
  return grpc::SslCredentials(options);
}

}  // namespace dragonfly::rpc
