#include "dfdaemon/source/origin_headers.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "common/http/headers.h"

namespace dragonfly::dfdaemon {
namespace {

void RemoveAll(HeaderList& headers, std::initializer_list<std::string_view> names) {
  std::erase_if(headers, [names](const auto& field) {
    return std::any_of(names.begin(), names.end(), [&field](std::string_view name) {
      return SameHeaderName(field.first, name);
    });
  });
}

}  // namespace

HeaderList OriginHeaders(const HeaderList& from_caller, const OriginHeaderDefaults& defaults) {
  HeaderList headers = from_caller;
  RemoveAll(headers, {"Host", "Range", "If-Range", "Accept-Encoding", "Connection", "Keep-Alive",
                      "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer", "Upgrade",
                      "Expect", "Content-Length", "Transfer-Encoding"});
  // Callers' maps may hold what HTTP cannot carry; one such field must not fail every request.
  std::erase_if(headers, [](const auto& field) {
    return !IsHeaderName(field.first) || !IsHeaderValue(field.second);
  });
  headers.emplace_back("Accept-Encoding", "identity");
  for (const auto& [name, value] : defaults.extra) {
    if (!FindHeader(headers, name)) headers.emplace_back(name, value);
  }
  if (!FindHeader(headers, "User-Agent")) {
    headers.emplace_back("User-Agent", defaults.user_agent);
  }
  return headers;
}

void RemoveConditions(HeaderList& headers) {
  RemoveAll(headers, {"If-None-Match", "If-Modified-Since"});
}

void RemoveCredentials(HeaderList& headers) {
  RemoveAll(headers, {"Authorization", "Cookie", "Cookie2", "Proxy-Authorization",
                      "WWW-Authenticate"});
}

}  // namespace dragonfly::dfdaemon
