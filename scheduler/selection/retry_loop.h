#pragma once

#include <chrono>
#include <cstdint>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace dragonfly::scheduler {

/// When a peer without parents may stop waiting. Go scheduler/scheduling/scheduling.go, v2.4.0.
struct RetryPolicy {
  std::uint32_t retry_back_to_source_limit = 4;
  std::uint32_t retry_limit = 5;
  Duration retry_interval = std::chrono::milliseconds(500);
};

enum class RetryStep : std::uint8_t {
  kFind,              ///< Look for parents; when there are none, a round has failed.
  kSourceByFlag,      ///< To the source: it was meant to from the beginning.
  kSourceAfterLimit,  ///< To the source: waited long enough.
  kGiveUp,            ///< Error "scheduling exceeded RetryLimit".
};

struct RetryState {
  std::uint32_t failed_rounds = 0;
  bool need_back_to_source = false;
  bool can_back_to_source = true;
};

[[nodiscard]] constexpr RetryStep NextStep(const RetryPolicy& policy, const RetryState& state) {
  if (state.can_back_to_source) {
    if (state.need_back_to_source) return RetryStep::kSourceByFlag;
    if (state.failed_rounds >= policy.retry_back_to_source_limit) {
      return RetryStep::kSourceAfterLimit;
    }
  }
  return state.failed_rounds >= policy.retry_limit ? RetryStep::kGiveUp : RetryStep::kFind;
}

/// How long a round lasts: the interval, a quarter more or less, so that peers that came together
/// do not all come again together.
[[nodiscard]] inline Duration RoundOf(const RetryPolicy& policy, Random& random) {
  const double factor = 0.75 + 0.5 * random.Unit();
  return std::chrono::duration_cast<Duration>(policy.retry_interval * factor);
}

}  // namespace dragonfly::scheduler
