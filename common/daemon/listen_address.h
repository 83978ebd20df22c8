#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragonfly {

struct ListenAddress {
  std::string ip;  ///< Without brackets.
  std::uint16_t port = 0;

  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// An address to listen at, as Go writes them: `:8000` is every address of the machine, which is
/// `any_ip`; `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000`. InvalidArgument with a reason that
/// fits behind "key: ".
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text, std::string_view any_ip);

/// `ip:port`, `[ip]:port` for IPv6.
[[nodiscard]] std::string JoinHostPort(std::string_view ip, std::uint16_t port);

}  // namespace dragonfly
