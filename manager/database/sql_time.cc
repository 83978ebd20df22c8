#include "manager/database/sql_time.h"

#include "absl/time/time.h"
#include "common/base/strings.h"

namespace dragonfly::manager {
namespace {

constexpr char kFormat[] = "%Y-%m-%d %H:%M:%E3S";

}  // namespace

std::string ToSqlTime(WallTime time) {
  return absl::FormatTime(kFormat, absl::FromChrono(time), absl::UTCTimeZone());
}

std::optional<WallTime> FromSqlTime(std::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%Y-%m-%d %H:%M:%E*S", ToAbsl(text), absl::UTCTimeZone(), &time, &error)) {
    return std::nullopt;
  }
  return absl::ToChronoTime(time);
}

}  // namespace dragonfly::manager
