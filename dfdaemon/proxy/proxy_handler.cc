#include "dfdaemon/proxy/proxy_handler.h"

#include <utility>

#include "absl/strings/match.h"
#include "common/base/strings.h"
#include "common/ids/task_id.h"

namespace dragonfly::dfdaemon {
namespace {

constexpr std::chrono::seconds kConnectTimeout{30};
constexpr std::chrono::hours kTunnelIdle{1};

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "0.0.0.0" ||
         absl::StartsWith(ToAbsl(host), "127.");
}

std::optional<BasicAuth> MakeAuth(const ProxyOptions& options) {
  if (options.username.empty() && options.password.empty()) return std::nullopt;
  return BasicAuth(options.username, options.password);
}

}  // namespace

ProxyHandler::ProxyHandler(const ProxyOptions& options, const Proxy::Collaborators& with,
                           Parts parts)
    : options_(options),
      with_(with),
      parts_(std::move(parts)),
      auth_(MakeAuth(options)),
      admission_(AdmissionLimits{}, with.data.executor(), with.clock, with.source),
      delivery_({options.host_ip, options.first_byte_timeout},
                {with.io, with.tasks, with.storage, admission_, with.disk}),
      pass_through_(with.client, parts_.registry_cert_pem),
      log_(options.log),
      failures_(options.log),
      rate_(options.request_rate_limit, options.request_rate_limit, with.clock.Now()) {}

Awaitable<> ProxyHandler::Stop() { co_await admission_.Stop(); }

bool ProxyHandler::TakeFromRate() {
  const MutexLock lock(mutex_);
  return rate_.unlimited() || rate_.Take(1, with_.clock.Now());
}

bool ProxyHandler::LeadsBack(const HostAndPort& to) const {
  return to.port == own_port_ &&
         (IsLoopback(to.host) || to.host == options_.host_ip || to.host == options_.ip);
}

std::optional<HttpResponse> ProxyHandler::CheckPassword(HttpHeaders& headers) const {
  if (!auth_) return std::nullopt;
  switch (auth_->CheckAndRemove(headers)) {
    case BasicAuth::Result::kRight:
      return std::nullopt;
    case BasicAuth::Result::kMalformed:
      return ErrorAnswer(400, ErrorType::kProxy, "the proxy's user and password cannot be read");
    default:
      break;
  }
  HttpResponse answer = ErrorAnswer(401, ErrorType::kProxy, "the proxy asks for user and password");
  answer.headers.emplace_back("WWW-Authenticate", "Basic realm=\"dragonfly\"");
  return answer;
}

Awaitable<> ProxyHandler::Refuse(HttpResponder& responder, HttpResponse answer) {
  if (answer.status >= 500) with_.metrics.RequestFailed();
  (void)co_await responder.Send(std::move(answer));
}

Awaitable<> ProxyHandler::Serve(HttpRequest& request, HttpResponder& responder) {
  if (request.method == "CONNECT") {
    with_.metrics.RequestReceived();
    co_await ServeConnect(request, responder);
  } else {
    co_await ServeRequest(nullptr, request, responder);
  }
}

Awaitable<> ProxyHandler::ServeInTunnel(std::shared_ptr<const Tunnel> tunnel, HttpRequest& request,
                                        HttpResponder& responder) {
  if (request.method == "CONNECT") {
    co_await Refuse(responder, ErrorAnswer(405, ErrorType::kProxy, "a tunnel inside a tunnel"));
  } else {
    co_await ServeRequest(std::move(tunnel), request, responder);
  }
}

Awaitable<> ProxyHandler::ServeRequest(std::shared_ptr<const Tunnel> tunnel, HttpRequest& request,
                                       HttpResponder& responder) {
  with_.metrics.RequestReceived();
  if (!TakeFromRate()) {
    co_await Refuse(responder, ErrorAnswer(429, ErrorType::kProxy, "too many requests"));
    co_return;
  }
  HttpHeaders headers = request.headers;
  if (tunnel == nullptr || !tunnel->authorised) {
    if (auto refusal = CheckPassword(headers)) {
      co_await Refuse(responder, *std::move(refusal));
      co_return;
    }
  }
  const auto to = tunnel != nullptr ? std::optional(tunnel->to) : std::nullopt;
  auto target = ResolveTarget(request.target, headers, options_.registry_addr, to);
  if (!target.ok()) {
    co_await Refuse(responder, ErrorAnswer(400, ErrorType::kProxy, ToStd(target.status().message())));
    co_return;
  }
  if (LeadsBack(target->authority)) {
    co_await Refuse(responder, ErrorAnswer(508, ErrorType::kProxy, "the target is this proxy"));
    co_return;
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  std::optional<DownloadRequest> download;
  if (reads && !request.has_body) {
    const ProxyRule* rule = parts_.rules.Match(*target);
    auto wishes = ReadDragonflyHeaders(headers);
    if (rule == nullptr && wishes.ok() && wishes->use_p2p) rule = &default_rule_;
    if (rule != nullptr && !wishes.ok()) {
      co_await Refuse(responder,
                      ErrorAnswer(500, ErrorType::kProxy, ToStd(wishes.status().message())));
      co_return;
    }
    if (rule != nullptr && wishes->output_path && !auth_) {
      // The daemon writes with its own rights; whoever may reach the port may not.
      co_await Refuse(responder,
                      ErrorAnswer(403, ErrorType::kProxy,
                                  "X-Dragonfly-Output-Path needs proxy.server.basicAuth"));
      co_return;
    }
    if (rule != nullptr) {
      download = MakeDownload(*target, *rule, headers, *std::move(wishes), request.remote_ip);
    }
  }
  if (download && request.method == "GET") {
    co_await ServeTask(request, std::move(headers), responder, *std::move(download));
  } else {
    co_await ServeDirect(request, std::move(headers), responder, *std::move(target),
                         std::move(download));
  }
}

DownloadRequest ProxyHandler::MakeDownload(const ProxyTarget& target, const ProxyRule& rule,
                                           const HttpHeaders& headers, DragonflyHeaders wishes,
                                           const std::string& remote_ip) const {
  DownloadRequest download;
  download.url = RewriteUrl(target.url, rule.use_tls, rule.redirect);
  download.tag = std::move(wishes.tag);
  download.application = std::move(wishes.application);
  download.priority = wishes.priority;
  if (wishes.filtered_query_params) {
    download.filtered_query_params = *std::move(wishes.filtered_query_params);
  } else {
    download.filtered_query_params =
        rule.filtered_query_params.value_or(DefaultFilteredQueryParams());
  }
  download.request_headers = SourceHeaders(headers);
  download.piece_length = wishes.piece_length;
  download.output_path = std::move(wishes.output_path);
  download.force_hard_link = wishes.force_hard_link;
  download.prefetch = wishes.prefetch.value_or(options_.prefetch) &&
                      FindHeader(headers, "Range").has_value();
  download.disable_back_to_source = options_.disable_back_to_source;
  download.certificate_chain = parts_.registry_cert_der;
  download.enable_task_id_based_blob_digest =
      wishes.enable_task_id_based_blob_digest.value_or(options_.enable_task_id_based_blob_digest);
  download.content_for_calculating_task_id = std::move(wishes.content_for_calculating_task_id);
  download.remote_ip = remote_ip;
  return download;
}

Awaitable<> ProxyHandler::ServeTask(HttpRequest& request, HttpHeaders headers,
                                    HttpResponder& responder, DownloadRequest download) {
  with_.metrics.RequestBecameTask();
  const std::string url = RedactUrl(download.url);
  log_.Debug("proxy request becomes a task", {{"url", url}, {"remote_address", request.remote_ip}});
  const absl::Status status =
      co_await delivery_.Run(std::move(download), std::move(headers), responder);
  if (status.ok() || absl::IsCancelled(status)) co_return;
  failures_.Warn("proxy request failed", {{"url", url}, {"error", status}});
  if (responder.begun()) {
    // The connection is closed now, and the client sees that bytes are missing.
    with_.metrics.RequestFailed();
    co_return;
  }
  HttpResponse answer = TaskErrorAnswer(status);
  if (answer.status < 500) with_.metrics.RequestFailed();
  co_await Refuse(responder, std::move(answer));
}

Awaitable<> ProxyHandler::ServeDirect(HttpRequest& request, HttpHeaders headers,
                                      HttpResponder& responder, ProxyTarget target,
                                      std::optional<DownloadRequest> download) {
  std::string url = download ? download->url : target.url;
  const auto outcome = co_await pass_through_.Run(request, std::move(headers), responder, url);
  if (outcome.status.ok() || absl::IsCancelled(outcome.status)) co_return;
  if (!outcome.begun && download && absl::IsUnavailable(outcome.status)) {
    // HEAD of what is a task: the disk may know.
    if (auto head = co_await delivery_.HeadFromDisk(*std::move(download))) {
      absl::Status sent = co_await responder.Begin(*std::move(head));
      if (sent.ok()) (void)co_await responder.End();
      co_return;
    }
  }
  failures_.Warn("proxy request failed", {{"url", RedactUrl(url)}, {"error", outcome.status}});
  if (outcome.begun) {
    with_.metrics.RequestFailed();
    co_return;
  }
  co_await Refuse(responder, UnreachableAnswer(outcome.status));
}

Awaitable<> ProxyHandler::ServeConnect(HttpRequest& request, HttpResponder& responder) {
  if (!TakeFromRate()) {
    co_await Refuse(responder, ErrorAnswer(429, ErrorType::kProxy, "too many requests"));
    co_return;
  }
  auto to = ParseAuthority(request.target);
  if (!to.ok()) {
    co_await Refuse(responder, ErrorAnswer(400, ErrorType::kProxy, ToStd(to.status().message())));
    co_return;
  }
  if (LeadsBack(*to)) {
    co_await Refuse(responder, ErrorAnswer(508, ErrorType::kProxy, "the target is this proxy"));
    co_return;
  }
  Tunnel tunnel;
  tunnel.to = *std::move(to);
  tunnel.authorised =
      !auth_ || auth_->Check(FindHeader(request.headers, "Proxy-Authorization")) ==
                    BasicAuth::Result::kRight;
  if (parts_.issuer != nullptr) {
    // Clients of the original present the password with the requests inside.
    co_await Intercept(request, responder, std::move(tunnel));
    co_return;
  }
  if (!tunnel.authorised) {
    HttpResponse answer =
        ErrorAnswer(407, ErrorType::kProxy, "the proxy asks for user and password");
    answer.headers.emplace_back("Proxy-Authenticate", "Basic realm=\"dragonfly\"");
    co_await Refuse(responder, std::move(answer));
    co_return;
  }
  co_await JoinOpaque(responder, std::move(tunnel.to));
}

Awaitable<> ProxyHandler::Intercept(HttpRequest& request, HttpResponder& responder, Tunnel tunnel) {
  auto issue = [this, host = tunnel.to.host] { return parts_.issuer->ForHost(host); };
  auto tls = co_await with_.disk.Run(std::move(issue));
  if (!tls.ok()) {
    failures_.Warn("no certificate for the tunnel", {{"error", tls.status()}});
    co_await Refuse(responder, ErrorAnswer(502, ErrorType::kProxy, "no certificate for the tunnel"));
    co_return;
  }
  auto stream = co_await responder.Upgrade({});
  if (!stream.ok()) co_return;
  auto shared = std::make_shared<const Tunnel>(std::move(tunnel));
  HttpHandler handler = [this, shared](HttpRequest& inner, HttpResponder& answer) {
    return ServeInTunnel(shared, inner, answer);
  };
  co_await ServeHttp(*std::move(stream), *std::move(tls), parts_.limits, request,
                     std::move(handler));
}

Awaitable<> ProxyHandler::JoinOpaque(HttpResponder& responder, HostAndPort to) {
  auto origin = co_await ConnectTcp(to.host, to.port, kConnectTimeout);
  if (!origin.ok()) {
    failures_.Warn("tunnel cannot be opened", {{"error", origin.status()}});
    co_await Refuse(responder, UnreachableAnswer(origin.status()));
    co_return;
  }
  auto client = co_await responder.Upgrade({});
  if (client.ok()) co_await JoinStreams(**client, **origin, kTunnelIdle);
}

}  // namespace dragonfly::dfdaemon
