#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/http/headers.h"

namespace dragonfly::dfdaemon {

struct HostAndPort {
  std::string host;  ///< Lower case, without brackets.
  std::uint16_t port = 0;

  friend bool operator==(const HostAndPort&, const HostAndPort&) = default;
};

/// `host:port` of a CONNECT. InvalidArgument.
[[nodiscard]] absl::StatusOr<HostAndPort> ParseAuthority(std::string_view text);

/// Where a request shall go.
struct ProxyTarget {
  enum class Kind : std::uint8_t {
    kForward,  ///< The request named the whole URL, or came through an intercepted tunnel.
    kMirror,   ///< The request named a path of "the registry".
  };
  Kind kind = Kind::kForward;
  std::string url;  ///< http or https, as its parts were given: not normalised.
  /// The forms of the URL that a rule may have been written for: whole, without query and fragment;
  /// of a tunnel also with the port spelled out, as clients up to 1.5 wrote it.
  std::vector<std::string> rule_texts;
  HostAndPort authority;  ///< What `url` connects to.
};

/// The target of a request. `tunnel` is the CONNECT it came through, if it was intercepted.
/// A path goes to the registry named by X-Dragonfly-Registry, else by the query parameter `ns` of
/// containerd (https unless it says otherwise), else to `registry_addr`. InvalidArgument.
[[nodiscard]] absl::StatusOr<ProxyTarget> ResolveTarget(std::string_view request_target,
                                                        const HttpHeaders& headers,
                                                        std::string_view registry_addr,
                                                        const std::optional<HostAndPort>& tunnel);

/// `url` with https for http, when asked, and another `host[:port]`, unless empty.
[[nodiscard]] std::string RewriteUrl(std::string_view url, bool use_tls,
                                     std::string_view redirect_authority);

}  // namespace dragonfly::dfdaemon
