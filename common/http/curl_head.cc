#include "common/http/curl_head.h"

#include <string>

#include "common/base/status_macros.h"

namespace dragonfly::internal {
namespace {

std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

absl::StatusOr<ResponseHeadReader::Progress> ResponseHeadReader::OnLine(std::string_view line) {
  if (complete_) return Progress::kMore;  // A trailer.
  bytes_ += line.size();
  if (bytes_ > kMaxHeadBytes || head_.headers.size() > kMaxFields) {
    return absl::ResourceExhaustedError("response head is too long");
  }
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (!started_) {
    if (line.empty()) return Progress::kMore;
    RETURN_IF_ERROR(OnStatusLine(line));
    return Progress::kMore;
  }
  if (line.empty()) {
    started_ = false;
    if (!IsFinal()) return Progress::kMore;
    complete_ = true;
    return Progress::kComplete;
  }
  if (line.front() == ' ' || line.front() == '\t') {
    // A folded line belongs to the field before it (RFC 9112, 5.2).
    if (!head_.headers.empty()) head_.headers.back().second.append(" ").append(Trim(line));
    return Progress::kMore;
  }
  const auto colon = line.find(':');
  // Lines without a colon and names that are none: skipped, as browsers and curl do.
  if (colon == std::string_view::npos || !IsHeaderName(line.substr(0, colon))) {
    return Progress::kMore;
  }
  head_.headers.emplace_back(std::string(line.substr(0, colon)),
                             std::string(Trim(line.substr(colon + 1))));
  return Progress::kMore;
}

absl::Status ResponseHeadReader::OnStatusLine(std::string_view line) {
  constexpr std::string_view kPrefix = "HTTP/";
  const auto bad = [] { return absl::DataLossError("the answer does not begin as HTTP does"); };
  if (!line.starts_with(kPrefix)) return bad();
  const auto blank = line.find(' ');
  if (blank == std::string_view::npos) return bad();
  const std::string_view version = line.substr(kPrefix.size(), blank - kPrefix.size());
  std::string_view rest = Trim(line.substr(blank));
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (rest.size() < 3 || !digit(rest[0]) || !digit(rest[1]) || !digit(rest[2]) ||
      (rest.size() > 3 && rest[3] != ' ') || rest[0] == '0') {
    return bad();
  }
  head_ = {};
  head_.status_code = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
  head_.reason = std::string(Trim(rest.substr(3)));
  head_.version = version == "1.0" ? 10 : version.starts_with("2") ? 20 : 11;
  started_ = true;
  return absl::OkStatus();
}

bool ResponseHeadReader::IsFinal() const {
  const int status = head_.status_code;
  if (status >= 100 && status < 200 && status != 101) return false;
  const bool redirect = status >= 300 && status < 400 && FindHeader(head_.headers, "Location");
  return !(skip_redirects_ && redirect);
}

}  // namespace dragonfly::internal
