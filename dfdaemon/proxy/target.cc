#include "dfdaemon/proxy/target.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/net/url.h"

namespace dragonfly::dfdaemon {
namespace {

bool HasHttpScheme(std::string_view url) {
  return absl::StartsWithIgnoreCase(ToAbsl(url), "http://") ||
         absl::StartsWithIgnoreCase(ToAbsl(url), "https://");
}

std::string_view WithoutQuery(std::string_view url) { return url.substr(0, url.find_first_of("?#")); }

// The registry that containerd means by `ns`.
std::string BaseForNamespace(std::string_view ns) {
  if (HasHttpScheme(ns)) return std::string(ns);
  // The name of Docker Hub in image references; its registry listens elsewhere.
  if (ns == "docker.io") return "https://registry-1.docker.io";
  return StrCat("https://", ns);
}

std::string QueryParameter(std::string_view request_target, std::string_view name) {
  const auto mark = request_target.find('?');
  if (mark == std::string_view::npos) return {};
  for (const auto& [key, value] : ParseForm(request_target.substr(mark + 1))) {
    if (key == name) return value;
  }
  return {};
}

std::string MirrorBase(std::string_view request_target, const HttpHeaders& headers,
                       std::string_view registry_addr) {
  std::string base(registry_addr);
  if (const auto registry = FindHeader(headers, "X-Dragonfly-Registry")) {
    base = std::string(*registry);
  } else if (const std::string ns = QueryParameter(request_target, "ns"); !ns.empty()) {
    base = BaseForNamespace(ns);
  }
  while (absl::EndsWith(base, "/")) base.pop_back();
  return base;
}

absl::Status Complete(ProxyTarget& target) {
  const auto parsed = Url::Parse(target.url);
  if (!parsed.ok()) return absl::InvalidArgumentError(StrCat("target: ", parsed.status().message()));
  if (parsed->scheme() != "http" && parsed->scheme() != "https") {
    return absl::InvalidArgumentError("target: only http and https can be fetched");
  }
  target.authority.host = std::string(parsed->host_without_brackets());
  target.authority.port = parsed->port_or_default().value_or(80);
  const std::string_view plain = WithoutQuery(target.url);
  target.rule_texts.insert(target.rule_texts.begin(), target.url);
  if (plain.size() != target.url.size()) target.rule_texts.emplace_back(plain);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HostAndPort> ParseAuthority(std::string_view text) {
  const auto url = Url::Parse(StrCat("https://", text, "/"));
  const auto colon = text.rfind(':');
  std::uint32_t port = 0;
  if (!url.ok() || colon == std::string_view::npos || url->path() != "/" || url->query() ||
      url->fragment() || !url->username().empty() ||
      !absl::SimpleAtoi(ToAbsl(text.substr(colon + 1)), &port) || port == 0 || port > 65535) {
    return absl::InvalidArgumentError("CONNECT needs host:port");
  }
  return HostAndPort{std::string(url->host_without_brackets()), static_cast<std::uint16_t>(port)};
}

absl::StatusOr<ProxyTarget> ResolveTarget(std::string_view request_target,
                                          const HttpHeaders& headers,
                                          std::string_view registry_addr,
                                          const std::optional<HostAndPort>& tunnel) {
  ProxyTarget target;
  if (HasHttpScheme(request_target)) {
    target.url = std::string(request_target);
  } else if (!absl::StartsWith(ToAbsl(request_target), "/")) {
    return absl::InvalidArgumentError("target: neither a path nor an http URL");
  } else if (tunnel) {
    const bool v6 = tunnel->host.find(':') != std::string::npos;
    const std::string host = v6 ? StrCat("[", tunnel->host, "]") : tunnel->host;
    const std::string with_port = StrCat("https://", host, ":", tunnel->port, request_target);
    target.url = tunnel->port == 443 ? StrCat("https://", host, request_target) : with_port;
    if (tunnel->port == 443) {
      target.rule_texts = {with_port, std::string(WithoutQuery(with_port))};
    }
  } else {
    target.kind = ProxyTarget::Kind::kMirror;
    const std::string base = MirrorBase(request_target, headers, registry_addr);
    if (!HasHttpScheme(base)) {
      return absl::InvalidArgumentError("registry: the scheme must be http or https");
    }
    if (WithoutQuery(base).size() != base.size()) {
      return absl::InvalidArgumentError("registry: an address has no query");
    }
    target.url = StrCat(base, request_target);
  }
  RETURN_IF_ERROR(Complete(target));
  return target;
}

std::string RewriteUrl(std::string_view url, bool use_tls, std::string_view redirect_authority) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return std::string(url);
  const std::string_view scheme = use_tls ? "https" : url.substr(0, scheme_end);
  const std::string_view rest = url.substr(scheme_end + 3);
  if (redirect_authority.empty()) return StrCat(scheme, "://", rest);
  const auto path = rest.find_first_of("/?#");
  return StrCat(scheme, "://", redirect_authority,
                path == std::string_view::npos ? std::string_view() : rest.substr(path));
}

}  // namespace dragonfly::dfdaemon
