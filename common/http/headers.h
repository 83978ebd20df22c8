#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dragonfly {

/// HTTP header fields in the order and with the case they were received in or are to be sent in.
/// Names repeat.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

/// The first value of a field; names compare without case.
[[nodiscard]] std::optional<std::string_view> FindHeader(const HttpHeaders& headers,
                                                         std::string_view name);
/// Removes every field of that name.
void RemoveHeader(HttpHeaders& headers, std::string_view name);
/// Removes every field of that name and appends one.
void SetHeader(HttpHeaders& headers, std::string_view name, std::string value);
/// Same letters, without case, in ASCII.
[[nodiscard]] bool SameHeaderName(std::string_view a, std::string_view b);
/// A token of RFC 9110, so that a name cannot break a request apart.
[[nodiscard]] bool IsHeaderName(std::string_view name);
/// No control characters but the tab, so that a value cannot break a request apart.
[[nodiscard]] bool IsHeaderValue(std::string_view value);

}  // namespace dragonfly
