#include "common/rpc/time.h"

#include <chrono>
#include <cstdint>
#include <limits>

namespace dragonfly::rpc {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

/// Seconds and nanoseconds as nanoseconds, held inside int64.
std::int64_t Join(std::int64_t seconds, std::int32_t nanos) {
  const __int128 total = static_cast<__int128>(seconds) * kNanosPerSecond + nanos;
  if (total > std::numeric_limits<std::int64_t>::max()) {
    return std::numeric_limits<std::int64_t>::max();
  }
  if (total < std::numeric_limits<std::int64_t>::min()) {
    return std::numeric_limits<std::int64_t>::min();
  }
  return static_cast<std::int64_t>(total);
}

}  // namespace

google::protobuf::Timestamp ToProto(WallTime time) {
  const std::int64_t nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  // A Timestamp counts its nanoseconds forward, also before 1970.
  std::int64_t seconds = nanos / kNanosPerSecond;
  std::int64_t rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    --seconds;
    rest += kNanosPerSecond;
  }
  google::protobuf::Timestamp result;
  result.set_seconds(seconds);
  result.set_nanos(static_cast<std::int32_t>(rest));
  return result;
}

google::protobuf::Duration ToProto(Duration duration) {
  const std::int64_t nanos =
      std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  google::protobuf::Duration result;
  result.set_seconds(nanos / kNanosPerSecond);
  result.set_nanos(static_cast<std::int32_t>(nanos % kNanosPerSecond));
  return result;
}

WallTime FromProto(const google::protobuf::Timestamp& time) {
  return WallTime(std::chrono::duration_cast<WallTime::duration>(
      std::chrono::nanoseconds(Join(time.seconds(), time.nanos()))));
}

Duration FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::nanoseconds(Join(duration.seconds(), duration.nanos()));
}

}  // namespace dragonfly::rpc
