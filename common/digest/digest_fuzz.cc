#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/check.h"
#include "common/digest/digest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto digest = dragonfly::ParseDigest(text);
  if (digest.ok()) {
    DF_CHECK(digest->ToString() == text);
    DF_CHECK(dragonfly::Matches(*digest, *digest));
    DF_CHECK(digest->encoded.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos);
  }
  if (const auto crc = dragonfly::ParsePieceDigest(text)) {
    DF_CHECK(dragonfly::ParsePieceDigest(dragonfly::FormatPieceDigest(*crc)) == crc);
  }
  return 0;
}
