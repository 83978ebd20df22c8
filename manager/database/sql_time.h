#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace dragonfly::manager {

/// `YYYY-MM-DD hh:mm:ss.mmm` in UTC, which sorts as text and is a literal that MySQL takes.
std::string ToSqlTime(WallTime time);
/// Reads that form, also without milliseconds; nullopt for anything else.
std::optional<WallTime> FromSqlTime(std::string_view text);

}  // namespace dragonfly::manager
