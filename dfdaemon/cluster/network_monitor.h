#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/async/awaitable.h"
#include "common/async/notifier.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "dfdaemon/cluster/scheduler_client.h"

namespace dragonfly::dfdaemon {

/// Bytes through an interface since it came up.
struct InterfaceCounters {
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
};

/// Name of the interface that has this address, nothing when none has.
std::optional<std::string> InterfaceOfAddress(std::string_view ip);

/// Bits per second by `<sys>/class/net/<name>/speed`; 0 when the driver does not tell (virtual and
/// loopback interfaces).
std::uint64_t LinkSpeed(std::string_view interface_name, const std::string& sys = "/sys");

/// Nothing when the interface is gone.
std::optional<InterfaceCounters> ReadCounters(std::string_view interface_name,
                                              const std::string& sys = "/sys");

/// Turns counters into rates. Pure.
class RateMeter {
 public:
  /// Capacities in bits per second, 0 = unknown.
  RateMeter(std::uint64_t max_rx_bandwidth, std::uint64_t max_tx_bandwidth);

  /// The first call, and one after the counters went back, reports no traffic.
  NetworkLoad Update(const InterfaceCounters& counters, SteadyTime now);
  [[nodiscard]] const NetworkLoad& latest() const { return load_; }

 private:
  NetworkLoad load_;
  std::optional<InterfaceCounters> last_;
  SteadyTime last_at_;
};

struct NetworkMonitorOptions {
  std::string ip;                    ///< The address other daemons dial.
  std::uint64_t download_limit = 0;  ///< Bytes per second, 0 = none; caps max_rx_bandwidth.
  std::uint64_t upload_limit = 0;    ///< Bytes per second, 0 = none; caps max_tx_bandwidth.
  std::chrono::milliseconds interval{1000};
  std::string sys = "/sys";
};

/// Measures the interface that owns the host's address; the loopback interface when none does.
/// Runs on: the executor given, which must be serial.
class NetworkMonitor {
 public:
  NetworkMonitor(asio::any_io_executor executor, NetworkMonitorOptions options);

  void Start();
  Awaitable<> Stop();

  /// Somebody who is told every sample, as long as this object lives. On the executor.
  class Reader {
   public:
    explicit Reader(NetworkMonitor& monitor) : monitor_(monitor) { ++monitor_.readers_; }
    ~Reader() { --monitor_.readers_; }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    NetworkMonitor& monitor_;
  };
  [[nodiscard]] std::size_t readers() const { return readers_; }

  [[nodiscard]] const NetworkLoad& latest() const { return meter_.latest(); }
  [[nodiscard]] const std::string& interface_name() const { return interface_; }
  /// Notified after every sample.
  [[nodiscard]] Notifier& sampled() { return sampled_; }

 private:
  Awaitable<> Run();

  const NetworkMonitorOptions options_;
  const std::string interface_;
  RateMeter meter_;
  Notifier sampled_;
  TaskGroup group_;
  std::size_t readers_ = 0;
};

}  // namespace dragonfly::dfdaemon
