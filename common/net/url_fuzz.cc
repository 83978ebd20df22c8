#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/base/utf8.h"
#include "common/net/url.h"

// The input is a base and a reference, divided by the first line end; without one, a URL and a form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dragonfly::Url;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  auto url = Url::Parse(text.substr(0, line));
  if (url.ok() && line != std::string_view::npos) {
    const auto resolved = url->Resolve(text.substr(line + 1));
    if (resolved.ok()) url = resolved;
  }
  if (url.ok()) {
    // The normal form is one: it parses to the same URL, unless an encoded path got too long.
    const std::string href = url->Href();
    DF_CHECK(dragonfly::IsUtf8(href));
    const auto again = Url::Parse(href);
    DF_CHECK(again.ok() || href.size() > Url::kMaxBytes);
    if (again.ok()) DF_CHECK(again->Href() == href);
    DF_CHECK(url->ForLog().find('?') == std::string::npos);
    DF_CHECK(!url->RequestTarget().empty());
    (void)url->host_without_brackets();
    (void)url->Origin();
  }
  const auto pairs = dragonfly::ParseForm(text);
  DF_CHECK(dragonfly::ParseForm(dragonfly::SerializeForm(pairs)) == pairs);
  DF_CHECK(dragonfly::PercentDecode(dragonfly::PercentEncode(text)) == text);
  return 0;
}
