#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/async/awaitable.h"
#include "common/base/clock.h"
#include "scheduler/cluster/seed_outcome.h"

namespace dragonfly::scheduler {

/// Talks to seed peers. `address` is host:port, with brackets for IPv6. All functions may be called
/// on any executor and come back to it.
class SeedPeerClient {
 public:
  virtual ~SeedPeerClient() = default;

  /// Lets the seed peer fetch a task from the source and returns when it has all of it, however
  /// long that takes. `download` is the common.v2.Download message of the peer that asked; it is
  /// changed to read the source and to write no output file. Unavailable: the seed peer could not
  /// be reached or broke off, another one may be tried. DeadlineExceeded: it got stuck. Other codes
  /// are the seed peer's own answer; Internal is what it says when the source failed.
  virtual Awaitable<absl::StatusOr<SeedOutcome>> Download(std::string address,
                                                          std::string download) = 0;

  /// OK when it answers SERVING within `timeout`.
  virtual Awaitable<absl::Status> CheckHealth(std::string address, Duration timeout) = 0;
};

}  // namespace dragonfly::scheduler
