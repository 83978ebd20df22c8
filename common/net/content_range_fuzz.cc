#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/net/range.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto range =
      dragonfly::ParseContentRange(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!range.ok()) return 0;
  DF_CHECK(range->range.has_value() || range->total.has_value());
  if (!range->range.has_value()) return 0;
  DF_CHECK(range->range->length > 0);
  DF_CHECK(range->range->start + range->range->length > range->range->start);
  if (!range->total.has_value()) return 0;
  DF_CHECK(range->range->start + range->range->length <= *range->total);
  const auto again =
      dragonfly::ParseContentRange(dragonfly::FormatContentRange(*range->range, *range->total));
  DF_CHECK(again.ok() && *again == *range);
  return 0;
}
