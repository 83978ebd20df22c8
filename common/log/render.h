#pragma once

#include <string>
#include <string_view>

#include "common/log/logger.h"

// How records are written. Internal to common/log and its tests.

namespace dragonfly::internal {

void AppendEvent(LogFormat format, std::string_view event, std::string& out);
/// With the separator in front.
void AppendField(LogFormat format, const LogField& field, std::string& out);

/// Longest text value; the rest is cut and marked with "...".
inline constexpr std::size_t kMaxLogValueBytes = 8 * 1024;

}  // namespace dragonfly::internal
