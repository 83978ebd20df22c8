#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dragonfly {

/// What NextCodePoint returns for bytes that are not UTF-8.
inline constexpr std::int32_t kBadCodePoint = -1;

/// Decodes one code point at `position` (which must be inside `text`) and moves `position` behind
/// it. Bad input moves over the longest run that could have begun a character, at least one byte.
inline std::int32_t NextCodePoint(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(position++);
  if (lead < 0x80) return static_cast<std::int32_t>(lead);
  int more = 0;
  // Bounds of the second byte; they keep out overlong forms, surrogates and what is above U+10FFFF.
  unsigned low = 0x80;
  unsigned high = 0xbf;
  std::uint32_t value = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    more = 1;
    value = lead & 0x1fU;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    more = 2;
    value = lead & 0x0fU;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    more = 3;
    value = lead & 0x07U;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return kBadCodePoint;
  }
  for (; more > 0; --more) {
    if (position == text.size() || byte(position) < low || byte(position) > high) {
      return kBadCodePoint;
    }
    value = (value << 6U) | (byte(position++) & 0x3fU);
    low = 0x80;
    high = 0xbf;
  }
  return static_cast<std::int32_t>(value);
}

inline bool IsUtf8(std::string_view text) {
  for (std::size_t position = 0; position < text.size();) {
    if (NextCodePoint(text, position) == kBadCodePoint) return false;
  }
  return true;
}

/// Appends `code_point`, which must be a Unicode scalar value.
inline void AppendUtf8(std::uint32_t code_point, std::string& out) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
    return;
  }
  if (code_point < 0x800) {
    out += static_cast<char>(0xc0U | (code_point >> 6U));
  } else {
    if (code_point < 0x10000) {
      out += static_cast<char>(0xe0U | (code_point >> 12U));
    } else {
      out += static_cast<char>(0xf0U | (code_point >> 18U));
      out += static_cast<char>(0x80U | ((code_point >> 12U) & 0x3fU));
    }
    out += static_cast<char>(0x80U | ((code_point >> 6U) & 0x3fU));
  }
  out += static_cast<char>(0x80U | (code_point & 0x3fU));
}

/// Copies `text`, with U+FFFD in place of what is not UTF-8.
inline std::string ReplaceBadUtf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t begin = position;
    if (NextCodePoint(text, position) == kBadCodePoint) {
      AppendUtf8(0xfffd, result);
    } else {
      result += text.substr(begin, position - begin);
    }
  }
  return result;
}

}  // namespace dragonfly
