#include "manager/clusters/liveness.h"

#include "common/async/sleep.h"
#include "common/base/status_macros.h"
#include "manager/clusters/stale_members.h"

namespace dragonfly::manager {

Liveness::Session::Session(Liveness& owner, Kind kind, MemberKey key)
    : owner_(owner), kind_(kind), key_(std::move(key)) {
  ++owner_.sessions_[{kind_, key_}];
}

Liveness::Session::~Session() {
  const auto found = owner_.sessions_.find(Member{kind_, key_});
  if (--found->second > 0) return;
  owner_.sessions_.erase(found);
  if (!owner_.leaving_) owner_.group_.Spawn(owner_.Deactivate({kind_, key_}));
}

Liveness::Liveness(asio::any_io_executor executor, LivenessOptions options,
                   ClusterDirectory& directory, const Clock& clock, Logger log)
    : options_(options),
      directory_(directory),
      clock_(clock),
      log_(std::move(log)),
      group_(std::move(executor)) {}

void Liveness::Start() { group_.Spawn(Run()); }

Awaitable<> Liveness::Run() {
  // A manager that was away begins with a pause, so that schedulers can come back first.
  co_await SleepFor(kMinSilence);
  while (true) {
    const absl::Status status = co_await Sweep();
    if (!status.ok()) log_.Warn("look for dead schedulers failed, will retry", {{"error", status}});
    co_await SleepFor(options_.sweep_interval);
  }
}

Awaitable<absl::Status> Liveness::Sweep() {
  // Other managers write to the same rows: only what is read now counts.
  directory_.Invalidate();
  CO_ASSIGN_OR_RETURN(const auto snapshot, co_await directory_.Snapshot());
  for (MemberKey& key : StaleSchedulers(snapshot->topology(), clock_.WallNow())) {
    CO_RETURN_IF_ERROR(co_await directory_.Deactivate(Kind::kScheduler, std::move(key)));
  }
  co_return absl::OkStatus();
}

Awaitable<> Liveness::Deactivate(Member member) {
  // The new stream of a member that came back at once may have begun meanwhile.
  if (sessions_.contains(member)) co_return;
  const absl::Status status = co_await directory_.Deactivate(member.first, member.second);
  // The sweep finds it later.
  if (!status.ok()) {
    log_.Warn("mark member inactive failed",
              {{"hostname", member.second.host_name}, {"error", status}});
  }
}

}  // namespace dragonfly::manager
