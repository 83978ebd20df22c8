#include "dfdaemon/cluster/network_monitor.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <utility>

#include "common/async/sleep.h"
#include "common/base/strings.h"

namespace dragonfly::dfdaemon {
namespace {

std::optional<std::int64_t> ReadNumber(const std::string& path) {
  std::ifstream in(path);
  std::int64_t value = 0;
  // The kernel answers EINVAL on reading `speed` of an interface that is down.
  if (!(in >> value)) return std::nullopt;
  return value;
}

std::uint64_t Capacity(std::uint64_t link_bits, std::uint64_t limit_bytes) {
  const std::uint64_t none = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t limit_bits =
      limit_bytes == 0 || limit_bytes > none / 8 ? none : limit_bytes * 8;
  const std::uint64_t capacity = std::min(link_bits == 0 ? none : link_bits, limit_bits);
  return capacity == none ? 0 : capacity;
}

}  // namespace

std::optional<std::string> InterfaceOfAddress(std::string_view ip) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return std::nullopt;
  std::optional<std::string> found;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = entry->ifa_addr->sa_family;
    const void* address = nullptr;
    if (family == AF_INET) {
      address = &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr;
    } else if (family == AF_INET6) {
      address = &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
    } else {
      continue;
    }
    if (::inet_ntop(family, address, text.data(), text.size()) != nullptr && ip == text.data()) {
      found = entry->ifa_name;
      break;
    }
  }
  ::freeifaddrs(list);
  return found;
}

std::uint64_t LinkSpeed(std::string_view interface_name, const std::string& sys) {
  const auto megabits = ReadNumber(StrCat(sys, "/class/net/", interface_name, "/speed"));
  return megabits && *megabits > 0 ? static_cast<std::uint64_t>(*megabits) * 1'000'000 : 0;
}

std::optional<InterfaceCounters> ReadCounters(std::string_view interface_name,
                                              const std::string& sys) {
  const std::string dir = StrCat(sys, "/class/net/", interface_name, "/statistics/");
  const auto rx = ReadNumber(dir + "rx_bytes");
  const auto tx = ReadNumber(dir + "tx_bytes");
  if (!rx || !tx || *rx < 0 || *tx < 0) return std::nullopt;
  return InterfaceCounters{static_cast<std::uint64_t>(*rx), static_cast<std::uint64_t>(*tx)};
}

RateMeter::RateMeter(std::uint64_t max_rx_bandwidth, std::uint64_t max_tx_bandwidth) {
  load_.max_rx_bandwidth = max_rx_bandwidth;
  load_.max_tx_bandwidth = max_tx_bandwidth;
}

NetworkLoad RateMeter::Update(const InterfaceCounters& counters, SteadyTime now) {
  load_.rx_bandwidth = 0;
  load_.tx_bandwidth = 0;
  const double seconds = ToSeconds(now - last_at_);
  if (last_ && seconds > 0 && counters.rx_bytes >= last_->rx_bytes &&
      counters.tx_bytes >= last_->tx_bytes) {
    const auto bits = [seconds](std::uint64_t bytes) {
      return static_cast<std::uint64_t>(static_cast<double>(bytes) * 8 / seconds);
    };
    load_.rx_bandwidth = bits(counters.rx_bytes - last_->rx_bytes);
    load_.tx_bandwidth = bits(counters.tx_bytes - last_->tx_bytes);
  }
  last_ = counters;
  last_at_ = now;
  return load_;
}

NetworkMonitor::NetworkMonitor(asio::any_io_executor executor, NetworkMonitorOptions options)
    : options_(std::move(options)),
      interface_(InterfaceOfAddress(options_.ip).value_or("lo")),
      meter_(Capacity(LinkSpeed(interface_, options_.sys), options_.download_limit),
             Capacity(LinkSpeed(interface_, options_.sys), options_.upload_limit)),
      sampled_(executor),
      group_(executor) {}

void NetworkMonitor::Start() { group_.Spawn(Run()); }

Awaitable<> NetworkMonitor::Stop() { co_await group_.Stop(); }

Awaitable<> NetworkMonitor::Run() {
  while (true) {
    if (const auto counters = ReadCounters(interface_, options_.sys)) {
      meter_.Update(*counters, std::chrono::steady_clock::now());
    }
    sampled_.Notify();
    co_await SleepFor(options_.interval);
  }
}

}  // namespace dragonfly::dfdaemon
