#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace dragonfly::manager {

/// 16 bytes, network order; IPv4 as ::ffff:a.b.c.d, so an IPv4-mapped address equals its IPv4 form.
using IpBytes = std::array<std::uint8_t, 16>;

/// IPv4 or IPv6 text, without zone and brackets.
std::optional<IpBytes> ParseIp(std::string_view text);

/// A network in CIDR notation, `10.0.0.0/8` or `fd00::/8`.
class IpPrefix {
 public:
  static std::optional<IpPrefix> Parse(std::string_view text);
  [[nodiscard]] bool Contains(const IpBytes& address) const;

 private:
  IpPrefix(const IpBytes& network, unsigned bits) : network_(network), bits_(bits) {}
  IpBytes network_;
  unsigned bits_;
};

}  // namespace dragonfly::manager
