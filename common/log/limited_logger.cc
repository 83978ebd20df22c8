#include "common/log/limited_logger.h"

#include <vector>

namespace dragonfly {

void LimitedLogger::Log(LogLevel level, std::string_view event, Logger::Fields fields,
                        SteadyTime now) {
  if (!log_.Enabled(level)) return;
  const Duration::rep ticks = now.time_since_epoch().count();
  Duration::rep next = next_.load(std::memory_order_relaxed);
  // The one who moves the time forward writes.
  if (ticks < next ||
      !next_.compare_exchange_strong(next, ticks + interval_.count(), std::memory_order_relaxed)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const std::uint64_t suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  if (suppressed == 0) {
    log_.Log(level, event, fields);
    return;
  }
  std::vector<LogField> all(fields);
  all.push_back({"suppressed", suppressed});
  log_.Log(level, event, all);
}

}  // namespace dragonfly
