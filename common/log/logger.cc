#include "common/log/logger.h"

#include <array>
#include <utility>

#include "common/log/render.h"

namespace dragonfly {
namespace {

constexpr std::array<std::string_view, 6> kLevelNames = {"trace", "debug", "info",
                                                         "warn",  "error", "off"};

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

std::string_view LogLevelName(LogLevel level) {
  return kLevelNames[static_cast<std::size_t>(level)];
}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  std::string lower;
  for (const char c : name.substr(0, 16)) lower += ToLower(c);
  for (std::size_t i = 0; i < kLevelNames.size(); ++i) {
    if (lower == kLevelNames[i]) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

void Logger::Write(LogLevel level, std::string_view event, std::span<const LogField> fields) const {
  std::string record;
  record.reserve(256);
  internal::AppendEvent(writer_->format(), event, record);
  for (const LogField& field : fields) internal::AppendField(writer_->format(), field, record);
  if (owner_fields_ != nullptr) record += *owner_fields_;
  writer_->Write(level, record);
}

Logger Logger::With(Fields fields) const {
  if (writer_ == nullptr) return *this;
  Logger result = *this;
  auto text = std::make_shared<std::string>(owner_fields_ ? *owner_fields_ : std::string());
  for (const LogField& field : fields) internal::AppendField(writer_->format(), field, *text);
  result.owner_fields_ = std::move(text);
  return result;
}

Logger Logger::Channel(std::string_view name) const {
  Logger result = *this;
  if (writer_ == nullptr) return result;
  if (auto channel = writer_->Channel(name)) result.writer_ = std::move(channel);
  return result;
}

std::string RedactUrl(std::string_view text) {
  text = text.substr(0, text.find_first_of("?#"));
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) {
    // Opaque or relative: whatever stands before an '@' may be a password.
    const std::size_t at = text.rfind('@');
    return std::string(at == std::string_view::npos ? text : text.substr(at + 1));
  }
  const std::size_t begin = scheme + 3;
  // Backslashes end an authority, too, in the eyes of many parsers.
  const std::size_t end = std::min(text.find_first_of("/\\", begin), text.size());
  const std::size_t at = text.substr(0, end).rfind('@');
  std::string result(text.substr(0, begin));
  result += text.substr(at == std::string_view::npos || at < begin ? begin : at + 1);
  return result;
}

}  // namespace dragonfly
