#include "scheduler/seeding/seed_peers.h"

#include <algorithm>
#include <utility>

#include "common/async/sleep.h"
#include "common/base/strings.h"
#include "common/hashring/hash_ring.h"

namespace dragonfly::scheduler {

std::string SeedAddress(const HostInfo& host) {
  const bool brackets = host.ip.find(':') != std::string::npos;
  return brackets ? StrCat("[", host.ip, "]:", host.port) : StrCat(host.ip, ":", host.port);
}

class SeedPeers::Ring {
 public:
  explicit Ring(std::vector<std::string> addresses)
      : addresses_(std::move(addresses)), ring_(addresses_) {}

  [[nodiscard]] bool empty() const { return addresses_.empty(); }
  [[nodiscard]] const std::vector<std::string>& addresses() const { return addresses_; }
  [[nodiscard]] std::optional<std::size_t> Pick(const TaskId& task) const {
    const auto owner = ring_.Pick(task.str());
    if (!owner.ok()) return std::nullopt;
    return *owner;
  }

 private:
  const std::vector<std::string> addresses_;
  const SeedRing ring_;
};

/// Tells the end once, also when the work is dropped before or while it runs.
class SeedPeers::Ending {
 public:
  explicit Ending(OnEnd on_end) : on_end_(std::move(on_end)) {}
  Ending(Ending&& other) noexcept : on_end_(std::exchange(other.on_end_, nullptr)) {}
  Ending& operator=(Ending&&) = delete;
  ~Ending() { Tell(absl::CancelledError("seeding stopped")); }

  void Tell(absl::StatusOr<SeedOutcome> outcome) {
    if (on_end_ != nullptr) std::exchange(on_end_, nullptr)(std::move(outcome));
  }

 private:
  OnEnd on_end_;
};

SeedPeers::SeedPeers(const Options& options, const HostTable& hosts, SeedPeerClient& client,
                     asio::any_io_executor executor, Logger log)
    : options_(options),
      hosts_(hosts),
      client_(client),
      log_(std::move(log)),
      ring_(std::make_shared<const Ring>(std::vector<std::string>())),
      tasks_(std::move(executor)) {}

SeedPeers::~SeedPeers() = default;

void SeedPeers::Start() {
  if (options_.enabled) tasks_.Spawn(RefreshForEver());
}

Awaitable<> SeedPeers::Stop() { return tasks_.Stop(); }

Awaitable<> SeedPeers::RefreshForEver() {
  while (true) {
    for (const std::shared_ptr<Host>& host : hosts_.All()) {
      if (host->info()->type == HostType::kSuper) tasks_.Spawn(Check(SeedAddress(*host->info())));
    }
    co_await SleepFor(options_.refresh_interval);
  }
}

Awaitable<> SeedPeers::Check(std::string address) {
  const absl::Status status = co_await client_.CheckHealth(address, options_.health_timeout);
  if (!status.ok()) {
    log_.Warn("seed peer is not healthy", {{"remote_address", address}, {"error", status}});
  }
  SetHealthy(address, status.ok());
}

void SeedPeers::HostAnnounced(const HostInfo& host) {
  if (!options_.enabled) return;
  if (host.type != HostType::kSuper) {
    HostLeft(host.id);
    return;
  }
  std::string address = SeedAddress(host);
  bool check = false;
  {
    const MutexLock lock(mutex_);
    Member& member = members_[host.id];
    if (member.address != address) {
      member.address = address;
      member.healthy = true;
      Rebuild();
    } else {
      check = !member.healthy;
    }
  }
  // It speaks, so it may have come back before the next round of checks.
  if (check) tasks_.Spawn(Check(std::move(address)));
}

void SeedPeers::HostLeft(const HostId& host) {
  const MutexLock lock(mutex_);
  if (members_.erase(host) > 0) Rebuild();
}

void SeedPeers::SetHealthy(const std::string& address, bool healthy) {
  const MutexLock lock(mutex_);
  bool changed = false;
  for (auto& [id, member] : members_) {
    if (member.address != address || member.healthy == healthy) continue;
    member.healthy = healthy;
    changed = true;
  }
  if (changed) Rebuild();
}

void SeedPeers::Rebuild() {
  std::vector<std::string> addresses;
  for (const auto& [id, member] : members_) {
    if (member.healthy) addresses.push_back(member.address);
  }
  // Members that share a point of the ring are told apart by their order.
  std::ranges::sort(addresses);
  const auto doubles = std::ranges::unique(addresses);
  addresses.erase(doubles.begin(), doubles.end());
  ring_ = std::make_shared<const Ring>(std::move(addresses));
}

bool SeedPeers::HasAvailable() const {
  const MutexLock lock(mutex_);
  return !ring_->empty();
}

std::vector<std::string> SeedPeers::AddressesFor(const TaskId& task) const {
  std::shared_ptr<const Ring> ring;
  {
    const MutexLock lock(mutex_);
    ring = ring_;
  }
  std::vector<std::string> found;
  while (found.size() < options_.attempts) {
    const std::optional<std::size_t> owner = ring->Pick(task);
    if (!owner.has_value()) break;
    found.push_back(ring->addresses()[*owner]);
    // Who follows is who would own the task if this one were not there.
    std::vector<std::string> others = ring->addresses();
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(*owner));
    ring = std::make_shared<const Ring>(std::move(others));
  }
  return found;
}

void SeedPeers::Trigger(SeedRequest request, OnEnd on_end) {
  tasks_.Spawn(Seed(std::move(request), Ending(std::move(on_end))));
}

Awaitable<> SeedPeers::Seed(SeedRequest request, Ending ending) {
  const std::vector<std::string> addresses = AddressesFor(request.task_id);
  absl::StatusOr<SeedOutcome> outcome = absl::FailedPreconditionError("no seed peer available");
  for (const std::string& address : addresses) {
    outcome = co_await client_.Download(address, request.download);
    if (outcome.ok() || outcome.status().code() != absl::StatusCode::kUnavailable) break;
    log_.Warn("seed peer cannot be reached", {{"task_id", request.task_id},
                                              {"remote_address", address},
                                              {"error", outcome.status()}});
    SetHealthy(address, false);
  }
  ending.Tell(std::move(outcome));
}

}  // namespace dragonfly::scheduler
