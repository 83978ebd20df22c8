#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/net/range.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000},
                                     ~std::uint64_t{0}}) {
    const auto range = dragonfly::ParseRangeHeader(text, length);
    if (!range.ok()) continue;
    DF_CHECK(range->length > 0);
    DF_CHECK(range->start < length);
    DF_CHECK(range->length <= length - range->start);
    const auto again = dragonfly::ParseRangeHeader(dragonfly::FormatRangeHeader(*range), length);
    DF_CHECK(again.ok() && *again == *range);
  }
  (void)dragonfly::ParseFirstRange(text);
  return 0;
}
