#include "scheduler/cluster/membership.h"

#include <algorithm>
#include <utility>

#include "common/async/sleep.h"

namespace dragonfly::scheduler {

Membership::Membership(asio::any_io_executor executor, Options options, ManagerLink& link,
                       Logger log)
    : options_(options), link_(link), log_(std::move(log)), group_(std::move(executor)) {}

Awaitable<absl::Status> Membership::Register() {
  absl::Status status = co_await link_.Register();
  registered_ = status.ok();
  if (registered_) log_.Info("registered at the manager");
  co_return status;
}

void Membership::Start() { group_.Spawn(Run()); }

Awaitable<> Membership::Run() {
  Duration pause = options_.retry_min;
  while (true) {
    absl::Status status;
    if (!registered_) status = co_await Register();
    if (status.ok()) {
      const auto began = std::chrono::steady_clock::now();
      status = co_await link_.KeepAlive();
      // The manager answered: it lost our row, or somebody deleted it. The original says Internal.
      if (!absl::IsUnavailable(status)) registered_ = false;
      // A stream that lived for a while ended for a new reason.
      if (std::chrono::steady_clock::now() - began > options_.retry_max) {
        pause = options_.retry_min;
      }
    }
    log_.Warn("no link to the manager, will retry", {{"error", status}});
    co_await SleepFor(pause);
    pause = std::min(2 * pause, options_.retry_max);
  }
}

}  // namespace dragonfly::scheduler
