#include "common/daemon/listen_address.h"

#include <arpa/inet.h>

#include <array>

#include "absl/strings/numbers.h"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

bool IsIp(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return inet_pton(AF_INET, text.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), ignored.data()) == 1;
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text, std::string_view any_ip) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return absl::InvalidArgumentError("must be an address and a port, such as :8000");
  }
  std::string_view host = text.substr(0, colon);
  std::uint32_t port = 0;
  if (!absl::SimpleAtoi(ToAbsl(text.substr(colon + 1)), &port) || port > 65535) {
    return absl::InvalidArgumentError("has no port from 0 to 65535 at its end");
  }
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  ListenAddress result;
  result.ip = host.empty() ? any_ip : host == "localhost" ? "127.0.0.1" : host;
  result.port = static_cast<std::uint16_t>(port);
  if (!IsIp(result.ip)) return absl::InvalidArgumentError("has no IP address before the port");
  return result;
}

std::string JoinHostPort(std::string_view ip, std::uint16_t port) {
  if (ip.find(':') != std::string_view::npos) return StrCat("[", ip, "]:", port);
  return StrCat(ip, ":", port);
}

}  // namespace dragonfly
