#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "common/http/server.h"
#include "common/log/limited_logger.h"
#include "common/ratelimit/token_bucket.h"
#include "dfdaemon/proxy/answers.h"
#include "dfdaemon/proxy/basic_auth.h"
#include "dfdaemon/proxy/certificates.h"
#include "dfdaemon/proxy/pass_through.h"
#include "dfdaemon/proxy/proxy.h"
#include "dfdaemon/proxy/request_headers.h"
#include "dfdaemon/proxy/target.h"
#include "dfdaemon/proxy/task_delivery.h"

namespace dragonfly::dfdaemon {

/// Sends each request the way it has to go. Called on the executors of the connections, several at
/// the same time.
class ProxyHandler {
 public:
  struct Parts {
    RuleSet rules;
    std::unique_ptr<CertificateIssuer> issuer;  ///< Null: tunnels are opaque.
    std::string registry_cert_pem;
    std::vector<std::string> registry_cert_der;
    HttpServerLimits limits;
  };
  /// `options` and what `with` refers to outlive this.
  ProxyHandler(const ProxyOptions& options, const Proxy::Collaborators& with, Parts parts);

  Awaitable<> Serve(HttpRequest& request, HttpResponder& responder);

  /// The port listened at, which a request must not lead back to.
  void SetOwnPort(std::uint16_t port) { own_port_ = port; }
  Awaitable<> Stop();

 private:
  // The CONNECT that an intercepted request came through.
  struct Tunnel {
    HostAndPort to;
    bool authorised = false;
  };

  Awaitable<> ServeInTunnel(std::shared_ptr<const Tunnel> tunnel, HttpRequest& request,
                            HttpResponder& responder);
  Awaitable<> ServeRequest(std::shared_ptr<const Tunnel> tunnel, HttpRequest& request,
                           HttpResponder& responder);
  Awaitable<> ServeConnect(HttpRequest& request, HttpResponder& responder);
  Awaitable<> Intercept(HttpRequest& request, HttpResponder& responder, Tunnel tunnel);
  Awaitable<> JoinOpaque(HttpResponder& responder, HostAndPort to);
  Awaitable<> ServeTask(HttpRequest& request, HttpHeaders headers, HttpResponder& responder,
                        DownloadRequest download);
  Awaitable<> ServeDirect(HttpRequest& request, HttpHeaders headers, HttpResponder& responder,
                          ProxyTarget target, std::optional<DownloadRequest> download);

  [[nodiscard]] DownloadRequest MakeDownload(const ProxyTarget& target, const ProxyRule& rule,
                                             const HttpHeaders& headers, DragonflyHeaders wishes,
                                             const std::string& remote_ip) const;
  [[nodiscard]] std::optional<HttpResponse> CheckPassword(HttpHeaders& headers) const;
  [[nodiscard]] bool LeadsBack(const HostAndPort& to) const;
  [[nodiscard]] bool TakeFromRate();
  Awaitable<> Refuse(HttpResponder& responder, HttpResponse answer);

  const ProxyOptions& options_;
  const Proxy::Collaborators with_;
  const Parts parts_;
  const ProxyRule default_rule_;
  const std::optional<BasicAuth> auth_;
  std::atomic<std::uint16_t> own_port_{0};
  Admission admission_;
  TaskDelivery delivery_;
  PassThrough pass_through_;
  const Logger log_;
  LimitedLogger failures_;

  Mutex mutex_;
  TokenBucket rate_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragonfly::dfdaemon
