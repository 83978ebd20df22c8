#include "dfdaemon/parents/blocklist.h"

#include <algorithm>

namespace dragonfly::dfdaemon {

ParentBlocklist::Entry& ParentBlocklist::Touch(const HostId& host, SteadyTime now) {
  if (hosts_.size() >= options_.max_hosts && !hosts_.contains(host)) {
    // What is not blocked any more is worth least; then what happened longest ago.
    absl::erase_if(hosts_, [now](const auto& entry) { return entry.second.blocked_until <= now; });
    if (hosts_.size() >= options_.max_hosts) {
      hosts_.erase(std::min_element(hosts_.begin(), hosts_.end(), [](const auto& a, const auto& b) {
        return a.second.last_event < b.second.last_event;
      }));
    }
  }
  Entry& entry = hosts_[host];
  if (entry.lied && entry.blocked_until <= now) entry.lied = false;
  entry.last_event = now;
  return entry;
}

bool ParentBlocklist::Lied(const HostId& host, SteadyTime now) {
  Entry& entry = Touch(host, now);
  entry.blocked_until = std::max(entry.blocked_until, now + options_.lie_time);
  const bool news = !entry.lied;
  entry.lied = true;
  return news;
}

bool ParentBlocklist::Failed(const HostId& host, SteadyTime now) {
  Entry& entry = Touch(host, now);
  if (++entry.failures < options_.failures_allowed) return false;
  entry.failures = 0;
  Duration time = options_.failure_time;
  for (std::uint32_t i = 0; i < entry.blocks && time < options_.longest_failure_time; ++i) time *= 2;
  ++entry.blocks;
  entry.blocked_until =
      std::max(entry.blocked_until, now + std::min(time, options_.longest_failure_time));
  return true;
}

void ParentBlocklist::Succeeded(const HostId& host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end() || found->second.lied) return;
  // A piece that was under way when the block came does not lift it.
  found->second.failures = 0;
  found->second.blocks = 0;
}

bool ParentBlocklist::Blocked(const HostId& host, SteadyTime now) const {
  const auto found = hosts_.find(host);
  return found != hosts_.end() && now < found->second.blocked_until;
}

bool ParentBlocklist::Quarantined(const HostId& host, SteadyTime now) const {
  const auto found = hosts_.find(host);
  return found != hosts_.end() && found->second.lied && now < found->second.blocked_until;
}

}  // namespace dragonfly::dfdaemon
