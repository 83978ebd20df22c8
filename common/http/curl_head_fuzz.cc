#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/http/curl_head.h"

// The first byte says whether redirects are passed over; the rest is cut into lines as curl does.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using dragonfly::internal::ResponseHeadReader;
  if (size == 0) return 0;
  ResponseHeadReader reader((data[0] & 1U) != 0);
  std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  while (!input.empty()) {
    const std::string_view line = input.substr(0, input.find('\n') + 1);
    const std::string_view taken = line.empty() ? input : line;
    input.remove_prefix(taken.size());
    if (!reader.OnLine(taken).ok()) return 0;
    if (!reader.complete()) continue;
    const int status = reader.head().status_code;
    DF_CHECK(status == 101 || (status >= 200 && status <= 999));
    for (const auto& [name, value] : reader.head().headers) DF_CHECK(dragonfly::IsHeaderName(name));
  }
  return 0;
}
