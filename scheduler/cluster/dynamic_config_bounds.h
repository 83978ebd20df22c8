#pragma once

#include <algorithm>
#include <cstdint>

namespace dragonfly::scheduler {

/// What the manager's REST API admits for a number of the dynamic configuration; its database or a
/// file may hold anything. Go manager/types/{scheduler_cluster,seed_peer_cluster}.go, v2.4.0.
struct Bounds {
  std::uint32_t min;
  std::uint32_t max;

  [[nodiscard]] constexpr std::uint32_t Clamp(std::uint64_t value) const {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(value, min, max));
  }
};

inline constexpr Bounds kCandidateParentLimit{1, 20};
inline constexpr Bounds kFilterParentLimit{10, 1000};
inline constexpr Bounds kJobRateLimit{1, 1'000'000};
inline constexpr Bounds kPeerLoadLimit{1, 2000};
inline constexpr Bounds kSeedPeerLoadLimit{1, 50'000};

}  // namespace dragonfly::scheduler
