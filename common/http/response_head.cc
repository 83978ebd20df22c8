#include "common/http/response_head.h"

#include <array>
#include <ctime>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

constexpr std::pair<int, std::string_view> kReasons[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"},
    {202, "Accepted"}, {204, "No Content"}, {206, "Partial Content"},
    {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"}, {304, "Not Modified"},
    {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"},
    {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"},
    {405, "Method Not Allowed"}, {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"}, {408, "Request Timeout"}, {409, "Conflict"},
    {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"}, {417, "Expectation Failed"}, {421, "Misdirected Request"},
    {422, "Unprocessable Content"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"}, {508, "Loop Detected"},
};

// Formatting a date costs more than the rest of a head, and it changes once a second.
std::string_view DateNow() {
  thread_local std::time_t cached = 0;
  thread_local std::array<char, 40> text{};
  const std::time_t now = std::time(nullptr);
  if (now != cached) {
    cached = now;
    std::tm parts{};
    gmtime_r(&now, &parts);
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                  kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon],
                  parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  }
  return text.data();
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  for (const auto& [code, reason] : kReasons) {
    if (code == status) return reason;
  }
  return "Unknown";
}

BodyFraming ChooseFraming(const HttpResponseHead& head, std::string_view method,
                          unsigned version) {
  if (head.status < 200 || head.status == 204 || head.status == 304) return BodyFraming::kNone;
  if (head.content_length.has_value()) return BodyFraming::kContentLength;
  if (method == "HEAD") return BodyFraming::kAsGiven;
  return version >= 11 ? BodyFraming::kChunked : BodyFraming::kUntilClose;
}

std::string WriteResponseHead(const HttpResponseHead& head, BodyFraming framing, unsigned version,
                              bool keep_alive) {
  std::string out;
  out.reserve(512);
  // The version of the server, not of the client: RFC 9110, 2.5.
  const bool good_reason = !head.reason.empty() && IsHeaderValue(head.reason);
  absl::StrAppend(&out, "HTTP/1.1 ", head.status, " ");
  out.append(good_reason ? std::string_view(head.reason) : ReasonPhrase(head.status));
  out.append("\r\n");
  bool has_date = false;
  for (const auto& [name, value] : head.headers) {
    if (!IsHeaderName(name) || !IsHeaderValue(value)) continue;
    if (SameHeaderName(name, "Connection") || SameHeaderName(name, "Transfer-Encoding")) continue;
    if (SameHeaderName(name, "Content-Length") && framing != BodyFraming::kAsGiven) continue;
    has_date = has_date || SameHeaderName(name, "Date");
    AppendField(out, name, value);
  }
  if (!has_date) AppendField(out, "Date", DateNow());
  if (framing == BodyFraming::kContentLength) {
    AppendField(out, "Content-Length", std::to_string(*head.content_length));
  } else if (framing == BodyFraming::kChunked) {
    AppendField(out, "Transfer-Encoding", "chunked");
  }
  if (!keep_alive) {
    AppendField(out, "Connection", "close");
  } else if (version < 11) {
    AppendField(out, "Connection", "keep-alive");
  }
  out.append("\r\n");
  return out;
}

}  // namespace dragonfly
