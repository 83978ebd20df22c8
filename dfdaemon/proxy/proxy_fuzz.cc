#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/net/url.h"
#include "dfdaemon/proxy/basic_auth.h"
#include "dfdaemon/proxy/request_headers.h"
#include "dfdaemon/proxy/target.h"

// Input: the request target, a line end, a registry, a line end, and a value for every field.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dragonfly;             // NOLINT
  using namespace dragonfly::dfdaemon;  // NOLINT
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto next_line = [&rest] {
    const auto end = rest.find('\n');
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
  };
  const std::string target = next_line();
  const std::string registry = next_line();
  const std::string value(rest);

  HttpHeaders headers = {{"Connection", value},
                         {"Authorization", value},
                         {"Proxy-Authorization", value},
                         {"X-Dragonfly-Priority", value},
                         {"X-Dragonfly-Piece-Length", value},
                         {"X-Dragonfly-Filtered-Query-Params", value},
                         {"X-Dragonfly-Output-Path", value}};
  if (!registry.empty()) headers.emplace_back(kRegistryHeader, registry);
  if (const auto resolved = ResolveTarget(target, headers, "https://r", std::nullopt);
      resolved.ok()) {
    DF_CHECK(Url::Parse(resolved->url).ok());
    DF_CHECK(!resolved->authority.host.empty());
    (void)RewriteUrl(resolved->url, true, registry);
  }
  (void)ResolveTarget(target, headers, "", HostAndPort{"host", 443});
  (void)ParseAuthority(target);
  (void)ReadDragonflyHeaders(headers);
  (void)MatchesEntityTag(value, target);
  for (const auto& [name, kept] : SourceHeaders(headers)) DF_CHECK(!name.starts_with("Proxy-"));
  BasicAuth auth("user", "password");
  (void)auth.CheckAndRemove(headers);
  DF_CHECK(!FindHeader(headers, "Proxy-Authorization"));
  return 0;
}
