#pragma once

#include "common/base/types.h"

namespace dragonfly::scheduler {

/// Who fetched a task, as the seed peer named itself in its answers; empty when it did not.
struct SeedOutcome {
  HostId host_id;
  PeerId peer_id;
};

}  // namespace dragonfly::scheduler
