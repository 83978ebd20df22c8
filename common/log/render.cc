#include "common/log/render.h"

#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "common/base/strings.h"
#include "common/base/utf8.h"

namespace dragonfly::internal {
namespace {

// Both formats share the escapes: a record is one line of valid UTF-8, whatever a peer sent.
void AppendEscaped(std::string_view text, std::string& out) {
  const bool cut = text.size() > kMaxLogValueBytes;
  if (cut) text = text.substr(0, kMaxLogValueBytes);
  std::string repaired;
  if (!IsUtf8(text)) {
    repaired = ReplaceBadUtf8(text);
    text = repaired;
  }
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  if (cut) out += "...";
}

void AppendQuoted(std::string_view text, std::string& out) {
  out += '"';
  AppendEscaped(text, out);
  out += '"';
}

void AppendValue(LogFormat format, const LogValue& value, std::string& out) {
  auto to = std::back_inserter(out);
  switch (value.kind()) {
    case LogValue::Kind::kText:
      AppendQuoted(value.text(), out);
      return;
    case LogValue::Kind::kSigned:
      fmt::format_to(to, "{}", value.as_signed());
      return;
    case LogValue::Kind::kUnsigned:
      fmt::format_to(to, "{}", value.as_unsigned());
      return;
    case LogValue::Kind::kDouble:
      if (format == LogFormat::kJson && !std::isfinite(value.as_double())) {
        out += "null";
      } else {
        fmt::format_to(to, "{}", value.as_double());
      }
      return;
    case LogValue::Kind::kBool:
      out += value.as_unsigned() != 0 ? "true" : "false";
      return;
    case LogValue::Kind::kStatus:
      AppendQuoted(value.status().ok()
                       ? "OK"
                       : StrCat(absl::StatusCodeToString(value.status().code()), ": ",
                                value.status().message()),
                   out);
      return;
  }
}

}  // namespace

void AppendEvent(LogFormat format, std::string_view event, std::string& out) {
  if (format == LogFormat::kJson) {
    out += "\"msg\":";
    AppendQuoted(event, out);
  } else {
    AppendEscaped(event, out);
  }
}

void AppendField(LogFormat format, const LogField& field, std::string& out) {
  if (format == LogFormat::kJson) {
    out += ",\"";
    out += field.key;
    out += "\":";
  } else {
    out += ' ';
    out += field.key;
    out += '=';
  }
  AppendValue(format, field.value, out);
}

}  // namespace dragonfly::internal
