#include "common/net/url_encode.h"

#include <array>
#include <cstdint>

#include "common/base/utf8.h"
#include "common/net/url.h"

namespace dragonfly {
namespace internal {
namespace {

constexpr bool IsAlphanumeric(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

constexpr bool Contains(std::string_view set, unsigned char c) {
  return set.find(static_cast<char>(c)) != std::string_view::npos;
}

// The sets build upon each other as in the standard. '^' is missing from the path set on purpose:
// the standard added it after the crate that task ids are defined by.
constexpr bool ComputeNeedsEncoding(EncodeSet set, unsigned char c) {
  switch (set) {
    case EncodeSet::kForm:
      return !IsAlphanumeric(c) && !Contains("*-._", c);
    case EncodeSet::kUnreserved:
      return !IsAlphanumeric(c) && !Contains("-._~", c);
    default:
      break;
  }
  if (c < 0x20 || c > 0x7e) return true;
  switch (set) {
    case EncodeSet::kFragment:
      return Contains(" \"<>`", c);
    case EncodeSet::kQuery:
      return Contains(" \"#<>", c);
    case EncodeSet::kSpecialQuery:
      return Contains(" \"#<>'", c);
    case EncodeSet::kPath:
      return Contains(" \"#<>?`{}", c);
    case EncodeSet::kUserinfo:
      return Contains(" \"#<>?`{}/:;=@[\\]^|", c);
    default:
      return false;
  }
}

constexpr std::size_t kSets = 8;

constexpr std::array<std::array<bool, 256>, kSets> kTable = [] {
  std::array<std::array<bool, 256>, kSets> table{};
  for (std::size_t set = 0; set < kSets; ++set) {
    for (unsigned c = 0; c < 256; ++c) {
      table[set][c] = ComputeNeedsEncoding(static_cast<EncodeSet>(set), static_cast<unsigned char>(c));
    }
  }
  return table;
}();

}  // namespace

bool NeedsEncoding(EncodeSet set, unsigned char byte) {
  return kTable[static_cast<std::size_t>(set)][byte];
}

void AppendEncoded(EncodeSet set, std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (NeedsEncoding(set, byte)) {
      out += '%';
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xfU];
    } else {
      out += c;
    }
  }
}

int HexValue(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

}  // namespace internal

using internal::EncodeSet;
using internal::HexValue;

std::string PercentDecode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
        HexValue(text[i + 2]) >= 0) {
      result += static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2]));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string PercentEncode(std::string_view text) {
  std::string result;
  internal::AppendEncoded(EncodeSet::kUnreserved, text, result);
  return result;
}

namespace {

std::string DecodeFormPart(std::string_view part) {
  std::string text(part);
  for (char& c : text) {
    if (c == '+') c = ' ';
  }
  return ReplaceBadUtf8(PercentDecode(text));
}

// A blank is '+'; since '+' itself is always encoded, this cannot be confused.
void AppendFormPart(std::string_view part, std::string& out) {
  while (true) {
    const std::size_t blank = part.find(' ');
    internal::AppendEncoded(EncodeSet::kForm, part.substr(0, blank), out);
    if (blank == std::string_view::npos) return;
    out += '+';
    part.remove_prefix(blank + 1);
  }
}

}  // namespace

FormPairs ParseForm(std::string_view text) {
  FormPairs pairs;
  while (!text.empty()) {
    const std::size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    pairs.emplace_back(
        DecodeFormPart(pair.substr(0, equals)),
        equals == std::string_view::npos ? "" : DecodeFormPart(pair.substr(equals + 1)));
  }
  return pairs;
}

std::string SerializeForm(const FormPairs& pairs) {
  std::string result;
  for (const auto& [key, value] : pairs) {
    if (!result.empty()) result += '&';
    AppendFormPart(key, result);
    result += '=';
    AppendFormPart(value, result);
  }
  return result;
}

}  // namespace dragonfly
