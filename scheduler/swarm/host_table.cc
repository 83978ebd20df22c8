#include "scheduler/swarm/host_table.h"

#include <utility>

#include "absl/hash/hash.h"

namespace dragonfly::scheduler {

HostTable::Stripe& HostTable::StripeOf(const HostId& id) const {
  return stripes_[absl::HashOf(id) % kStripes];
}

std::shared_ptr<Host> HostTable::Find(const HostId& id) const {
  Stripe& stripe = StripeOf(id);
  const MutexLock lock(stripe.mutex);
  const auto found = stripe.hosts.find(id);
  return found == stripe.hosts.end() ? nullptr : found->second;
}

std::shared_ptr<Host> HostTable::Announce(HostInfo info, SteadyTime now) {
  Stripe& stripe = StripeOf(info.id);
  const MutexLock lock(stripe.mutex);
  std::shared_ptr<Host>& host = stripe.hosts[info.id];
  if (host == nullptr) {
    host = std::make_shared<Host>(std::move(info), now);
  } else {
    host->Update(std::move(info), now);
  }
  return host;
}

std::shared_ptr<Host> HostTable::Remove(const HostId& id) {
  Stripe& stripe = StripeOf(id);
  const MutexLock lock(stripe.mutex);
  const auto found = stripe.hosts.find(id);
  if (found == stripe.hosts.end()) return nullptr;
  std::shared_ptr<Host> host = std::move(found->second);
  stripe.hosts.erase(found);
  return host;
}

std::vector<std::shared_ptr<Host>> HostTable::RemoveSilent(SteadyTime now) {
  std::vector<std::shared_ptr<Host>> removed;
  for (Stripe& stripe : stripes_) {
    const MutexLock lock(stripe.mutex);
    absl::erase_if(stripe.hosts, [&](const auto& entry) {
      const Duration interval = entry.second->info()->announce_interval;
      // Halved instead of doubled: a host may announce the longest interval that there is.
      if (interval <= Duration::zero() || (now - entry.second->updated()) / 2 <= interval) {
        return false;
      }
      removed.push_back(entry.second);
      return true;
    });
  }
  return removed;
}

std::vector<std::shared_ptr<Host>> HostTable::All() const {
  std::vector<std::shared_ptr<Host>> all;
  for (const Stripe& stripe : stripes_) {
    const MutexLock lock(stripe.mutex);
    for (const auto& [id, host] : stripe.hosts) all.push_back(host);
  }
  return all;
}

std::size_t HostTable::size() const {
  std::size_t size = 0;
  for (const Stripe& stripe : stripes_) {
    const MutexLock lock(stripe.mutex);
    size += stripe.hosts.size();
  }
  return size;
}

}  // namespace dragonfly::scheduler
