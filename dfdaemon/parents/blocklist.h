#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "common/base/types.h"

namespace dragonfly::dfdaemon {

struct BlocklistOptions {
  Duration lie_time = std::chrono::minutes(10);      ///< For wrong bytes.
  Duration failure_time = std::chrono::seconds(10);  ///< First block for failures; doubles.
  Duration longest_failure_time = std::chrono::minutes(5);
  std::uint32_t failures_allowed = 3;  ///< In a row.
  std::size_t max_hosts = 4096;
};

/// Hosts that this node does not download from for a while, because they sent wrong bytes or failed
/// again and again. One per daemon, shared by all downloads. Decides only; not thread-safe.
class ParentBlocklist {
 public:
  explicit ParentBlocklist(BlocklistOptions options = {}) : options_(options) {}

  /// The host sent bytes, lengths or offsets that are not right. True when it was not blocked for
  /// lying already, so that the log names it once.
  bool Lied(const HostId& host, SteadyTime now);
  /// The host could not be reached, broke off or was too late. True when this blocks it.
  bool Failed(const HostId& host, SteadyTime now);
  void Succeeded(const HostId& host);

  [[nodiscard]] bool Blocked(const HostId& host, SteadyTime now) const;
  /// Blocked for lying: not to be used, whatever comes. Who only failed is better than nobody.
  [[nodiscard]] bool Quarantined(const HostId& host, SteadyTime now) const;
  [[nodiscard]] std::size_t size() const { return hosts_.size(); }

 private:
  struct Entry {
    SteadyTime blocked_until;
    std::uint32_t failures = 0;  // In a row.
    std::uint32_t blocks = 0;    // For failures, without a success in between.
    SteadyTime last_event;
    bool lied = false;
  };

  Entry& Touch(const HostId& host, SteadyTime now);

  const BlocklistOptions options_;
  absl::flat_hash_map<HostId, Entry> hosts_;
};

}  // namespace dragonfly::dfdaemon
