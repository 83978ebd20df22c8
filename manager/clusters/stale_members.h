#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "manager/database/database.h"
#include "manager/database/models.h"

namespace dragonfly::manager {

/// Shortest silence that counts as death: a loaded machine may miss a few keepalives of one second.
inline constexpr Duration kMinSilence = std::chrono::seconds(15);

/// How long a scheduler may be silent: three of its own keepalive intervals, at least kMinSilence.
/// `config_json` is {"manager_keep_alive_interval":<nanoseconds>}.
Duration AllowedSilence(std::string_view config_json);

/// Active schedulers that have been silent for too long at `now`. The end of a keepalive stream
/// says the same sooner; this finds those whose stream ended unseen, because the manager itself was
/// away. A row without config never told its interval (managers of API v1 wrote such), so it is
/// left alone.
std::vector<MemberKey> StaleSchedulers(const Topology& topology, WallTime now);

}  // namespace dragonfly::manager
