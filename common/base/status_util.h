#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "common/base/strings.h"

namespace dragonfly {

/// Same code and payloads, message "`what`: old message". Add context once per level of abstraction.
inline absl::Status Annotate(const absl::Status& status, std::string_view what) {
  if (status.ok()) return status;
  absl::Status result(status.code(), StrCat(what, ": ", status.message()));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

}  // namespace dragonfly
