#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/net/url.h"

// The host part of a URL. Internal to common/net.

namespace dragonfly::internal {

struct ParsedHost {
  std::string text;
  Url::HostKind kind = Url::HostKind::kEmpty;
};

/// `special` is true for http and its like: percent-decoding, IDNA, IPv4 in all its forms. Other
/// schemes have opaque hosts. An empty opaque host is fine, an empty special one is not.
[[nodiscard]] absl::StatusOr<ParsedHost> ParseHost(std::string_view input, bool special);

/// The sixteen bytes of an IPv6 address without brackets and zone, as the URL standard reads it.
[[nodiscard]] std::optional<std::array<std::uint16_t, 8>> ParseIpv6(std::string_view input);

}  // namespace dragonfly::internal
