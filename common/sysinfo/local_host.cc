#include "common/sysinfo/local_host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

namespace dragonfly {
namespace {

std::optional<std::string> TextOf(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET) {
    const in_addr ip = reinterpret_cast<const sockaddr_in&>(address).sin_addr;
    const auto host_order = ntohl(ip.s_addr);
    const bool loopback = (host_order >> 24U) == 127;
    const bool link_local = (host_order >> 16U) == 0xa9fe;  // 169.254/16
    if (loopback || link_local) return std::nullopt;
    inet_ntop(AF_INET, &ip, text.data(), text.size());
  } else {
    const in6_addr& ip = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&ip) || IN6_IS_ADDR_LINKLOCAL(&ip)) return std::nullopt;
    inet_ntop(AF_INET6, &ip, text.data(), text.size());
  }
  return std::string(text.data());
}

std::vector<std::string> InterfaceAddresses(int family) {
  std::vector<std::string> result;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return result;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != family) continue;
    if ((entry->ifa_flags & IFF_UP) == 0 || (entry->ifa_flags & IFF_LOOPBACK) != 0) continue;
    if (auto text = TextOf(*entry->ifa_addr)) result.push_back(*std::move(text));
  }
  freeifaddrs(list);
  return result;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList Resolve(const std::string& name, int family, int flags) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) found = nullptr;
  return {found, freeaddrinfo};
}

}  // namespace

std::string LocalIp(IpFamily wanted) {
  const int family = wanted == IpFamily::kIpv4 ? AF_INET : AF_INET6;
  const std::vector<std::string> own = InterfaceAddresses(family);
  if (own.empty()) return wanted == IpFamily::kIpv4 ? "127.0.0.1" : "::1";
  const AddressList resolved = Resolve(HostName(), family, 0);
  for (const addrinfo* entry = resolved.get(); entry != nullptr; entry = entry->ai_next) {
    const auto text = TextOf(*entry->ai_addr);
    if (text.has_value() && std::find(own.begin(), own.end(), *text) != own.end()) return *text;
  }
  return own.front();
}

std::string FullHostName() {
  std::string name = HostName();
  const AddressList resolved = Resolve(name, AF_UNSPEC, AI_CANONNAME);
  if (resolved == nullptr || resolved->ai_canonname == nullptr) return name;
  std::string canonical = resolved->ai_canonname;
  // A machine that calls itself by an address has no full name.
  const bool is_name = canonical.find_first_of("abcdefghijklmnopqrstuvwxyz") != std::string::npos &&
                       canonical.find(':') == std::string::npos && canonical != "localhost";
  return is_name ? canonical : name;
}

}  // namespace dragonfly
