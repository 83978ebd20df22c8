#include "manager/clusters/stale_members.h"

#include <algorithm>
#include <cstdint>
#include "manager/clusters/json_text.h"

namespace dragonfly::manager {
namespace {

// Go scheduler/config/constants.go, v2.4.0: keepAlive.interval.
constexpr std::int64_t kDefaultInterval = std::chrono::nanoseconds(std::chrono::seconds(5)).count();
// Beyond it, a value is nonsense and would make a dead scheduler immortal.
constexpr std::int64_t kMaxInterval = std::chrono::nanoseconds(std::chrono::hours(1)).count();

}  // namespace

Duration AllowedSilence(std::string_view config_json) {
  std::int64_t interval = kDefaultInterval;
  const auto config = ParseJsonText(config_json);
  if (config.is_object()) {
    const auto found = config.find("manager_keep_alive_interval");
    if (found != config.end() && found->is_number_integer()) {
      interval = std::clamp<std::int64_t>(found->get<std::int64_t>(), 0, kMaxInterval);
    }
  }
  return std::max<Duration>(kMinSilence, std::chrono::nanoseconds(3 * interval));
}

std::vector<MemberKey> StaleSchedulers(const Topology& topology, WallTime now) {
  std::vector<MemberKey> result;
  for (const Scheduler& scheduler : topology.schedulers) {
    if (scheduler.state != State::kActive || scheduler.config_json == "null" ||
        !scheduler.last_keep_alive_at.has_value()) {
      continue;
    }
    if (now - *scheduler.last_keep_alive_at > AllowedSilence(scheduler.config_json)) {
      result.push_back({scheduler.host_name, scheduler.ip, scheduler.scheduler_cluster_id});
    }
  }
  return result;
}

}  // namespace dragonfly::manager
