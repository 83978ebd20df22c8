#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "common/rpc/pb.h"
#include "scheduler.pb.h"

namespace dragonfly::scheduler {

// The rules of the API that the original checks before a handler sees a message, as far as the
// scheduler looks at it. InvalidArgument names the field like the original's validator.

absl::Status Validate(const pb::scheduler::AnnouncePeerRequest& request);
absl::Status Validate(const pb::scheduler::AnnounceHostRequest& request);

/// The named texts of `message` must not be empty.
absl::Status ValidateIds(
    std::string_view message,
    std::initializer_list<std::pair<std::string_view, std::string_view>> ids);

}  // namespace dragonfly::scheduler
