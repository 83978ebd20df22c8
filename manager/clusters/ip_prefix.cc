#include "manager/clusters/ip_prefix.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "common/base/strings.h"

namespace dragonfly::manager {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kMaxIpText = INET6_ADDRSTRLEN;

}  // namespace

std::optional<IpBytes> ParseIp(std::string_view text) {
  if (text.size() > kMaxIpText) return std::nullopt;
  const std::string copy(text);
  IpBytes bytes{};
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return bytes;
  std::copy(kMapped.begin(), kMapped.end(), bytes.begin());
  if (inet_pton(AF_INET, copy.c_str(), bytes.data() + kMapped.size()) == 1) return bytes;
  return std::nullopt;
}

std::optional<IpPrefix> IpPrefix::Parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const std::string_view address = text.substr(0, slash);
  const auto network = ParseIp(address);
  unsigned bits = 0;
  if (!network.has_value() || !absl::SimpleAtoi(ToAbsl(text.substr(slash + 1)), &bits)) {
    return std::nullopt;
  }
  const bool ipv4 = address.find(':') == std::string_view::npos;
  if (bits > (ipv4 ? 32U : 128U)) return std::nullopt;
  return IpPrefix(*network, ipv4 ? bits + 96 : bits);
}

bool IpPrefix::Contains(const IpBytes& address) const {
  const unsigned whole = bits_ / 8;
  if (std::memcmp(network_.data(), address.data(), whole) != 0) return false;
  const unsigned rest = bits_ % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xffU << (8 - rest));
  return (network_[whole] & mask) == (address[whole] & mask);
}

}  // namespace dragonfly::manager
