#include "common/testing/captured_log.h"

#include <algorithm>

#include "common/base/strings.h"

namespace dragonfly {

class CapturedLog::Writer final : public LogWriter {
 public:
  Writer() : LogWriter(LogFormat::kText, LogLevel::kTrace) {}

  void Write(LogLevel level, std::string_view record) override {
    MutexLock lock(mutex_);
    lines_.push_back(StrCat(LogLevelName(level), " ", record));
  }
  std::vector<std::string> lines() const {
    MutexLock lock(mutex_);
    return lines_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

CapturedLog::CapturedLog() : writer_(std::make_shared<Writer>()) {}

Logger CapturedLog::logger() const { return Logger(writer_); }

std::vector<std::string> CapturedLog::lines() const { return writer_->lines(); }

bool CapturedLog::Contains(std::string_view text) const {
  const auto all = lines();
  return std::any_of(all.begin(), all.end(), [text](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

}  // namespace dragonfly
