#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/base/random.h"
#include "common/http/client.h"
#include "common/log/logger.h"
#include "common/net/url.h"
#include "common/ratelimit/rate_limiter.h"
#include "dfdaemon/source/origin_headers.h"
#include "dfdaemon/source/redirect_cache.h"
#include "dfdaemon/source/source.h"
#include "dfdaemon/source/source_metrics.h"

namespace dragonfly::dfdaemon {

class OriginSink;

struct HttpSourceOptions {
  OriginHeaderDefaults headers;
  /// Check certificates of origins. Requests with a certificate_chain are always checked.
  bool verify_tls = true;
  unsigned retries_max = 1;                    ///< backend.maxRetries
  std::chrono::milliseconds backoff_min{200};  ///< Before the first retry; doubles, with jitter.
  std::chrono::milliseconds backoff_max{5'000};
  unsigned redirects_max = 10;
  bool cache_redirects = true;                      ///< backend.enableCacheTemporaryRedirect
  std::chrono::milliseconds redirect_ttl{600'000};  ///< backend.cacheTemporaryRedirectTTL
  std::size_t redirect_entries_max = 1000;
  /// Stat tries HEAD before a GET of one byte.
  bool stat_by_head = true;
  std::chrono::milliseconds connect_timeout{30'000};
  std::chrono::milliseconds idle_timeout{60'000};  ///< Without a byte of the body.
};

/// http and https origins.
///
/// Stat is a HEAD, so that the origin sends each byte of content once however many daemons ask for
/// its length. Signed URLs are bound to GET, and not every origin tells the length or its ranges in
/// HEAD: then a GET of one byte decides, also about errors. Redirects are followed without
/// credentials to other origins; where they lead is kept per task and credentials, and asked anew
/// when the target refuses.
class HttpSource final : public Source {
 public:
  struct Collaborators {
    HttpClient& client;
    /// Every byte of content is paid for at each of them.
    std::vector<RateLimiter*> limiters;
    SourceMetrics& metrics;
    const Clock& clock;
    Logger log;
  };
  HttpSource(HttpSourceOptions options, Collaborators with);
  ~HttpSource() override;

  Awaitable<absl::StatusOr<SourceStat>> Stat(SourceRequest request) override;
  Awaitable<absl::Status> FetchPiece(SourceRequest request, std::uint64_t total_length,
                                     PieceWriter& writer) override;
  Awaitable<absl::Status> FetchAll(SourceRequest request, std::uint64_t total_length,
                                   std::uint64_t piece_length, PieceSequence& pieces) override;
  Awaitable<absl::StatusOr<std::unique_ptr<SpooledContent>>> Spool(
      SourceRequest request, std::string directory, std::uint64_t length_max) override;

 private:
  class Measured;
  struct Call;
  struct Attempt;

  absl::StatusOr<Call> Prepare(const SourceRequest& request, bool is_stat) const;
  Awaitable<std::optional<SourceStat>> StatByHead(const Call& call);
  Awaitable<absl::StatusOr<SourceStat>> StatByGet(const Call& call);
  Awaitable<absl::Status> FetchContent(SourceRequest request, OriginSink& sink);
  Awaitable<absl::Status> Send(const Call& call, OriginSink& sink);
  Awaitable<Attempt> SendOnce(const Call& call, OriginSink& sink);
  Awaitable<Attempt> SendTo(const Call& call, const Url& target, bool foreign, OriginSink& sink);
  [[nodiscard]] std::chrono::milliseconds Backoff(unsigned retry);

  const HttpSourceOptions options_;
  const Collaborators with_;
  RedirectCache redirects_;
  Mutex random_mutex_;
  Random random_ ABSL_GUARDED_BY(random_mutex_);
};

}  // namespace dragonfly::dfdaemon
