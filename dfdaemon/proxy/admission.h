#pragma once

#include <string>

#include "absl/status/status.h"
#include "common/async/awaitable.h"
#include "common/async/single_flight.h"
#include "common/async/task_group.h"
#include "common/base/clock.h"
#include "dfdaemon/proxy/admission_cache.h"
#include "dfdaemon/source/source.h"

namespace dragonfly::dfdaemon {

/// Keeps content that is on this node's disk from callers whom its origin would refuse: asks the
/// origin with the caller's own fields and remembers the answer for a while. Callable from any
/// executor; works on its own.
///
/// The origin is the one of the caller's URL. Where the task id does not contain the URL (blob
/// digests, content_for_calculating_task_id) a caller who knows the id may name an origin of its own.
class Admission {
 public:
  Admission(AdmissionLimits limits, asio::any_io_executor executor, const Clock& clock,
            Source& source);

  /// OK when the caller may have the content of `request.task_id`; else the origin's refusal as a
  /// SourceError. When the origin cannot be asked: OK for whom it admitted before.
  Awaitable<absl::Status> Check(SourceRequest request);

  /// The origin has just admitted this request in another way.
  Awaitable<> Remember(SourceRequest request);

  Awaitable<> Stop();

 private:
  Awaitable<absl::Status> CheckHere(SourceRequest request);
  Awaitable<> RememberHere(SourceRequest request);
  Awaitable<absl::Status> Ask(SourceRequest request, AdmissionKey key);

  const asio::any_io_executor executor_;
  const Clock& clock_;
  Source& source_;
  AdmissionCache cache_;
  TaskGroup group_;
  SingleFlight<std::string, absl::Status> flights_;
};

}  // namespace dragonfly::dfdaemon
