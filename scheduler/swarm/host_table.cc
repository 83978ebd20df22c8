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
  if (keeps_changes_) stripe.changed.insert(info.id);
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
  if (keeps_changes_) stripe.changed.insert(id);
  return host;
}

void HostTable::TakeChanges(std::size_t budget, StateChanges& into) {
  for (Stripe& stripe : stripes_) {
    const MutexLock lock(stripe.mutex);
    std::size_t taken = 0;
    // From the front of the table to where it stops: nothing is passed by twice.
    for (auto at = stripe.changed.begin(); at != stripe.changed.end() && taken < budget / kStripes;
         ++taken) {
      const auto found = stripe.hosts.find(*at);
      if (found == stripe.hosts.end()) {
        into.gone_hosts.push_back(*at);
      } else {
        into.hosts.push_back(*found->second->info());
      }
      stripe.changed.erase(at++);
    }
  }
}

void HostTable::ChangesLost() {
  for (Stripe& stripe : stripes_) {
    const MutexLock lock(stripe.mutex);
    stripe.changed.clear();
    for (const auto& [id, host] : stripe.hosts) stripe.changed.insert(id);
  }
}

void HostTable::Restore(HostInfo record, SteadyTime now) {
  Stripe& stripe = StripeOf(record.id);
  const MutexLock lock(stripe.mutex);
  std::shared_ptr<Host>& host = stripe.hosts[record.id];
  if (host == nullptr) host = std::make_shared<Host>(std::move(record), now, /*confirmed=*/false);
}

std::vector<std::shared_ptr<Host>> HostTable::RemoveSilent(SteadyTime now) {
  std::vector<std::shared_ptr<Host>> removed;
  for (Stripe& stripe : stripes_) {
    const MutexLock lock(stripe.mutex);
    const std::size_t before = removed.size();
    absl::erase_if(stripe.hosts, [&](const auto& entry) {
      const Duration interval = entry.second->info()->announce_interval;
      // Halved instead of doubled: a host may announce the longest interval that there is.
      if (interval <= Duration::zero() || (now - entry.second->updated()) / 2 <= interval) {
        return false;
      }
      removed.push_back(entry.second);
      return true;
    });
    if (!keeps_changes_) continue;
    for (std::size_t i = before; i < removed.size(); ++i) stripe.changed.insert(removed[i]->id());
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
