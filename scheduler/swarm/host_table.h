#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "common/base/mutex.h"
#include "scheduler/swarm/host.h"
#include "scheduler/swarm/state_changes.h"

namespace dragonfly::scheduler {

/// All hosts that announced themselves. Thread-safe; striped, so that an announce does not hold up
/// registrations.
class HostTable {
 public:
  /// Nothing when the host never announced itself or left.
  [[nodiscard]] std::shared_ptr<Host> Find(const HostId& id) const;

  /// Makes the host known or replaces what is known about it. Load counters and peers stay.
  std::shared_ptr<Host> Announce(HostInfo info, SteadyTime now);

  /// Nothing when it is not known. Its peers are the shards' affair.
  std::shared_ptr<Host> Remove(const HostId& id);

  /// Removes the hosts that missed two announcements, and returns them.
  std::vector<std::shared_ptr<Host>> RemoveSilent(SteadyTime now);

  // For whoever writes down which hosts there are.

  /// Until then no changes are kept. Before anything is announced.
  void KeepChanges() { keeps_changes_ = true; }
  /// Hosts that announced themselves or are gone since the last call, about `budget` of them.
  void TakeChanges(std::size_t budget, StateChanges& into);
  /// All hosts count as changed.
  void ChangesLost();
  /// Makes a host known of which only a record is there. One that is known already stays as it is.
  /// The record counts as an announcement: its daemon has until the next one is overdue.
  void Restore(HostInfo record, SteadyTime now);

  [[nodiscard]] std::vector<std::shared_ptr<Host>> All() const;
  [[nodiscard]] std::size_t size() const;

 private:
  static constexpr std::size_t kStripes = 16;
  struct Stripe {
    mutable Mutex mutex;
    absl::flat_hash_map<HostId, std::shared_ptr<Host>> hosts ABSL_GUARDED_BY(mutex);
    absl::flat_hash_set<HostId> changed ABSL_GUARDED_BY(mutex);
  };
  [[nodiscard]] Stripe& StripeOf(const HostId& id) const;

  bool keeps_changes_ = false;
  mutable std::array<Stripe, kStripes> stripes_;
};

}  // namespace dragonfly::scheduler
