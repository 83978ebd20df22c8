#pragma once

#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/http/server_tls.h"

namespace dragonfly::dfdaemon {

/// Makes certificates for the hosts whose TLS the proxy ends, signed by the configured authority.
/// Thread-safe.
class CertificateIssuer {
 public:
  /// PEM texts. InvalidArgument when they cannot be used or do not belong together.
  static absl::StatusOr<std::unique_ptr<CertificateIssuer>> Create(const std::string& ca_cert_pem,
                                                                   const std::string& ca_key_pem,
                                                                   const Clock& clock);
  ~CertificateIssuer();

  /// For a host name or numeric address (without brackets). The last 1000 are kept, each for at most
  /// a week. Signing takes a few milliseconds: call it where blocking is allowed. InvalidArgument for
  /// what is no host.
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const HttpServerTls>> ForHost(
      const std::string& host);

 private:
  struct Authority;
  struct Entry {
    std::string host;
    SteadyTime made_at;
    std::shared_ptr<const HttpServerTls> tls;
  };

  CertificateIssuer(std::unique_ptr<Authority> authority, const Clock& clock);
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const HttpServerTls>> Issue(
      const std::string& host) const;

  const std::unique_ptr<const Authority> authority_;
  const Clock& clock_;

  Mutex mutex_;
  std::list<Entry> order_ ABSL_GUARDED_BY(mutex_);  ///< Most recently used first.
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
