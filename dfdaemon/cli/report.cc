#include "dfdaemon/cli/report.h"

#include <array>
#include <nlohmann/json.hpp>

#include "common/base/strings.h"
#include "common/base/types.h"

namespace dragonfly::dfdaemon {
namespace {

// Descriptions by gRPC code 0..16; scripts of the original's users match on these.
constexpr std::array<std::string_view, 17> kCodeTexts = {
    "The operation completed successfully",
    "The operation was cancelled",
    "Unknown error",
    "Client specified an invalid argument",
    "Deadline expired before operation could complete",
    "Some requested entity was not found",
    "Some entity that we attempted to create already exists",
    "The caller does not have permission to execute the specified operation",
    "Some resource has been exhausted",
    "The system is not in a state required for the operation's execution",
    "The operation was aborted",
    "Operation was attempted past the valid range",
    "Operation is not implemented or not supported",
    "Internal error",
    "The service is currently unavailable",
    "Unrecoverable data loss or corruption",
    "The request does not have valid authentication credentials",
};

}  // namespace

std::string ReportWriter::Title(std::string_view text) const {
  if (!colour_) return StrCat(text, "\n");
  return StrCat("\x1b[38;5;1m\x1b[3m\x1b[1m", text, "\x1b[m\n");
}

std::string ReportWriter::Line() const {
  const std::string stars(40, '*');
  if (!colour_) return stars + "\n";
  return StrCat("\x1b[38;5;0m\x1b[3m\x1b[1m", stars, "\x1b[m\n");
}

std::string ReportWriter::Key(Colour colour, std::string_view text) const {
  if (!colour_) return StrCat(text, " ");
  return StrCat("\x1b[38;5;", static_cast<int>(colour), "m\x1b[3m\x1b[1m", text, "\x1b[m ");
}

std::string ReportWriter::ValidationFailed(std::string_view reason) const {
  return StrCat(Title("Validating Failed!"), Line(), Key(Colour::kCyan, "Message:"),
                "validate failed: ", reason, "\n", Line());
}

std::string ReportWriter::ConnectFailed(std::string_view error, std::string_view endpoint) const {
  return StrCat(Title("Connect Dfdaemon Failed!"), Line(), Key(Colour::kCyan, "Message:"),
                "can not connect ", error, ", please check the unix socket ", endpoint, "\n",
                Line());
}

std::string ReportWriter::SourceFailed(std::string_view title, std::optional<int> status_code,
                                       std::string_view message,
                                       const std::map<std::string, std::string>& headers) const {
  std::string text = StrCat(Title(title), Line());
  if (status_code) {
    text += StrCat(Key(Colour::kRed, "Bad Status Code:"), *status_code, "\n");
  }
  text += StrCat(Key(Colour::kCyan, "Message:"), message, "\n");
  if (!headers.empty()) {
    text += StrCat(Key(Colour::kCyan, "Header:"), "\n");
    for (const auto& [name, value] : headers) text += StrCat("  [", name, "]: ", value, "\n");
  }
  return text + Line();
}

std::string ReportWriter::RpcFailed(std::string_view title, int code, std::string_view message,
                                    std::string_view details) const {
  const bool known = code >= 0 && static_cast<std::size_t>(code) < kCodeTexts.size();
  std::string text = StrCat(Title(title), Line(), Key(Colour::kRed, "Bad Code:"),
                            kCodeTexts[known ? static_cast<std::size_t>(code) : 2], "\n",
                            Key(Colour::kCyan, "Message:"), message, "\n");
  if (!details.empty()) text += StrCat(Key(Colour::kCyan, "Details:"), details, "\n");
  return text + Line();
}

std::string ReportWriter::Failed(std::string_view title, std::string_view message) const {
  return StrCat(Title(title), Line(), Key(Colour::kRed, "Message:"), message, "\n", Line());
}

std::optional<SourceErrorDetails> ParseSourceErrorDetails(std::string_view json) {
  if (json.empty() || json.size() > kMiB) return std::nullopt;
  const auto value = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object() || !value.contains("message") || !value["message"].is_string()) {
    return std::nullopt;
  }
  SourceErrorDetails details;
  details.message = value["message"].get<std::string>();
  if (const auto header = value.find("header"); header != value.end() && header->is_object()) {
    for (const auto& [name, text] : header->items()) {
      if (text.is_string()) details.headers.emplace(name, text.get<std::string>());
    }
  }
  if (const auto code = value.find("status_code");
      code != value.end() && code->is_number_integer() && *code >= 0 && *code <= 999) {
    details.status_code = code->get<int>();
  }
  return details;
}

}  // namespace dragonfly::dfdaemon
