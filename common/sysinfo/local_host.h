#pragma once

#include <string>

namespace dragonfly {

enum class IpFamily : unsigned char { kIpv4, kIpv6 };

/// The address under which others reach this machine: of the interfaces that are up, loopback and
/// link-local addresses left out, one that the host name resolves to, else the first. `127.0.0.1`
/// or
/// `::1` when there is none. Blocks on name resolution.
[[nodiscard]] std::string LocalIp(IpFamily family);

/// The fully qualified host name, or the plain one where no name service knows it. Blocks on name
/// resolution.
[[nodiscard]] std::string FullHostName();

}  // namespace dragonfly
