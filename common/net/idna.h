#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragonfly::internal {

/// The ASCII form of a domain name given in UTF-8 (UTS 46, non-transitional, as far as it needs no
/// Unicode tables): ASCII is lower-cased; Latin, Greek and Cyrillic letters with a simple lower case,
/// kana, Han and Hangul syllables become Punycode. InvalidArgument for every other character, since
/// a wrong guess would be a request to a wrong host.
[[nodiscard]] absl::StatusOr<std::string> DomainToAscii(std::string_view domain);

}  // namespace dragonfly::internal
