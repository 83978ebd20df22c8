#pragma once

#include <string>
#include <string_view>

// Percent-encode sets of the WHATWG URL standard. Internal to common/net.

namespace dragonfly::internal {

enum class EncodeSet { kControl, kFragment, kQuery, kSpecialQuery, kPath, kUserinfo, kForm, kUnreserved };

/// Whether a byte has to be written as %XX. Bytes from 0x80 on always are.
[[nodiscard]] bool NeedsEncoding(EncodeSet set, unsigned char byte);

void AppendEncoded(EncodeSet set, std::string_view text, std::string& out);

/// Value of a hexadecimal digit, -1 for other characters.
[[nodiscard]] int HexValue(char digit);

}  // namespace dragonfly::internal
