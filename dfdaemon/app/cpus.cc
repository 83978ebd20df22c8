#include "dfdaemon/app/cpus.h"

#include <sched.h>

#include <algorithm>

#include "common/base/clock.h"
#include "dfdaemon/cluster/host_facts.h"

namespace dragonfly::dfdaemon {

std::size_t AllowedCpus() {
  std::size_t cpus = 1;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
    cpus = static_cast<std::size_t>(std::max(CPU_COUNT(&set), 1));
  }
  const SystemClock clock;
  const HostFacts facts = HostProbe(HostProbe::Paths{}, clock).Sample();
  if (facts.cgroup && facts.cgroup->cpu_quota_us > 0 && facts.cgroup->cpu_period_us > 0) {
    const auto quota = static_cast<std::size_t>(facts.cgroup->cpu_quota_us);
    const std::size_t period = facts.cgroup->cpu_period_us;
    cpus = std::min(cpus, std::max<std::size_t>((quota + period - 1) / period, 1));
  }
  return cpus;
}

}  // namespace dragonfly::dfdaemon
