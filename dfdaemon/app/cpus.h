#pragma once

#include <cstddef>

namespace dragonfly::dfdaemon {

/// CPUs this process may use, at least 1: its affinity mask, further bounded by the CPU quota of
/// its cgroup (v2), rounded up.
[[nodiscard]] std::size_t AllowedCpus();

}  // namespace dragonfly::dfdaemon
