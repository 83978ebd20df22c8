#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/mutex.h"
#include "common/log/logger.h"

namespace dragonfly {

/// Keeps log records for a test that must see what is (not) written, such as secrets. Behaviour is
/// tested by results and counters instead. Thread-safe.
class CapturedLog {
 public:
  CapturedLog();

  [[nodiscard]] Logger logger() const;
  /// `level event key="value" …`, oldest first.
  [[nodiscard]] std::vector<std::string> lines() const;
  /// Whether any line contains `text`.
  [[nodiscard]] bool Contains(std::string_view text) const;

 private:
  class Writer;
  std::shared_ptr<Writer> writer_;
};

}  // namespace dragonfly
