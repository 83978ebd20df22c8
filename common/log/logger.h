#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/log/log_value.h"

namespace dragonfly {

enum class LogLevel : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError, kOff };

/// `trace`, `debug`, `info`, `warn`, `error`, `off`.
[[nodiscard]] std::string_view LogLevelName(LogLevel level);
/// The opposite, in any case; nothing for other names.
[[nodiscard]] std::optional<LogLevel> ParseLogLevel(std::string_view name);

enum class LogFormat : std::uint8_t {
  kText,  ///< `time LEVEL event key="text" key=number`
  kJson,  ///< One object per line, keys level, ts, msg and the fields.
};

/// Where finished records go. Thread-safe.
class LogWriter {
 public:
  LogWriter(LogFormat format, LogLevel level) : format_(format), level_(level) {}
  virtual ~LogWriter() = default;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// `record` is the part behind time and level, in the writer's format. Must not block for long:
  /// network threads call it.
  virtual void Write(LogLevel level, std::string_view record) = 0;
  /// The writer of another file of the same log; itself when there is none of that name.
  [[nodiscard]] virtual std::shared_ptr<LogWriter> Channel(std::string_view name) {
    (void)name;
    return nullptr;
  }

  [[nodiscard]] LogFormat format() const { return format_; }
  [[nodiscard]] virtual LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  virtual void SetLevel(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

 private:
  const LogFormat format_;
  std::atomic<LogLevel> level_;
};

/// What the program does, for its operators: a constant event text, then fields. A cheap value; all
/// copies write to one place. Thread-safe, never blocks on a disk. Default-constructed it discards.
///
///   log.Info("peer registered", {{"task_id", id}, {"cost_ms", 3}});
///
/// error: a user sees the failure. warn: degraded, will retry. info: life of process and tasks.
/// debug: per piece. trace: per frame. Text is always quoted and escaped, cut at 8 KiB. URLs go in as
/// Url::ForLog() (common/net), or RedactUrl() when they are unparsed text.
class Logger {
 public:
  Logger() = default;
  explicit Logger(std::shared_ptr<LogWriter> writer) : writer_(std::move(writer)) {}

  using Fields = std::initializer_list<LogField>;

  void Trace(std::string_view event, Fields fields = {}) const { Log(LogLevel::kTrace, event, fields); }
  void Debug(std::string_view event, Fields fields = {}) const { Log(LogLevel::kDebug, event, fields); }
  void Info(std::string_view event, Fields fields = {}) const { Log(LogLevel::kInfo, event, fields); }
  void Warn(std::string_view event, Fields fields = {}) const { Log(LogLevel::kWarn, event, fields); }
  void Error(std::string_view event, Fields fields = {}) const { Log(LogLevel::kError, event, fields); }

  void Log(LogLevel level, std::string_view event, Fields fields) const {
    Log(level, event, std::span(fields.begin(), fields.size()));
  }
  void Log(LogLevel level, std::string_view event, std::span<const LogField> fields) const {
    if (Enabled(level)) Write(level, event, fields);
  }

  /// Whether a record of this level is written: ask before costly preparations.
  [[nodiscard]] bool Enabled(LogLevel level) const {
    return writer_ != nullptr && level >= writer_->level();
  }

  /// A logger that adds these fields to every record, behind the record's own.
  [[nodiscard]] Logger With(Fields fields) const;
  /// A logger that writes to the file of that name (LogOptions::channels), or to the same one.
  [[nodiscard]] Logger Channel(std::string_view name) const;

  /// For all loggers of the same log. kOff when this one discards.
  [[nodiscard]] LogLevel level() const { return writer_ ? writer_->level() : LogLevel::kOff; }
  void SetLevel(LogLevel level) const {
    if (writer_) writer_->SetLevel(level);
  }

 private:
  void Write(LogLevel level, std::string_view event, std::span<const LogField> fields) const;

  std::shared_ptr<LogWriter> writer_;
  std::shared_ptr<const std::string> owner_fields_;
};

/// `text` without credentials, query and fragment, also when it is no valid URL.
[[nodiscard]] std::string RedactUrl(std::string_view text);

}  // namespace dragonfly
