#include "common/net/url_host.h"

#include <algorithm>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/base/strings.h"
#include "common/base/utf8.h"
#include "common/net/idna.h"
#include "common/net/url_encode.h"

namespace dragonfly::internal {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Forbidden host code points; a domain also excludes controls, '%' and DEL.
bool IsForbiddenInHost(char c) {
  return c == '\0' || std::string_view("\t\n\r #/:<>?@[\\]^|").find(c) != std::string_view::npos;
}
bool IsForbiddenInDomain(char c) {
  return IsForbiddenInHost(c) || static_cast<unsigned char>(c) < 0x20 || c == '%' || c == 0x7f;
}

// One part of an IPv4 address: decimal, octal with 0, hexadecimal with 0x. Nothing when it is not
// a number; numbers above 32 bits are cut to 2^32, which is as invalid and cannot overflow.
std::optional<std::uint64_t> ParseIpv4Number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  unsigned base = 10;
  if (text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() >= 2 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  std::uint64_t value = 0;
  for (const char c : text) {
    const int digit = HexValue(c);
    if (digit < 0 || static_cast<unsigned>(digit) >= base) return std::nullopt;
    value = std::min<std::uint64_t>(value * base + static_cast<unsigned>(digit), 1ULL << 32U);
  }
  return value;
}

std::vector<std::string_view> SplitAtDots(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t dot = text.find('.');
    parts.push_back(text.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    text.remove_prefix(dot + 1);
  }
}

// Whether the last label is a number, which makes the whole an IPv4 address or an error.
bool EndsInNumber(std::string_view domain) {
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  const std::size_t dot = domain.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? domain : domain.substr(dot + 1);
  if (last.empty()) return false;
  if (std::all_of(last.begin(), last.end(), IsDigit)) return true;
  return ParseIpv4Number(last).has_value();
}

absl::StatusOr<std::string> ParseIpv4(std::string_view domain) {
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  const std::vector<std::string_view> parts = SplitAtDots(domain);
  if (parts.size() > 4) return absl::InvalidArgumentError("invalid IPv4 address");
  std::uint64_t address = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::optional<std::uint64_t> number = ParseIpv4Number(parts[i]);
    const bool last = i + 1 == parts.size();
    // The last part fills all bytes that the others left.
    const std::uint64_t limit = last ? 1ULL << (8U * (5 - parts.size())) : 256;
    if (!number.has_value() || *number >= limit) {
      return absl::InvalidArgumentError("invalid IPv4 address");
    }
    address |= last ? *number : *number << (8U * (3 - i));
  }
  return StrCat(address >> 24U, ".", (address >> 16U) & 0xffU, ".", (address >> 8U) & 0xffU, ".",
                address & 0xffU);
}

// The IPv4 tail of an IPv6 address: exactly four decimal parts without leading zeros.
std::optional<std::uint32_t> ParseEmbeddedIpv4(std::string_view text) {
  const std::vector<std::string_view> parts = SplitAtDots(text);
  if (parts.size() != 4) return std::nullopt;
  std::uint32_t address = 0;
  for (const std::string_view part : parts) {
    if (part.empty() || part.size() > 3 || (part.size() > 1 && part[0] == '0') ||
        !std::all_of(part.begin(), part.end(), IsDigit)) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    for (const char c : part) value = value * 10 + static_cast<std::uint32_t>(c - '0');
    if (value > 255) return std::nullopt;
    address = address << 8U | value;
  }
  return address;
}

std::string SerializeIpv6(const std::array<std::uint16_t, 8>& pieces) {
  // The first longest run of at least two zeros becomes "::".
  std::size_t run_begin = 8;
  std::size_t run_length = 1;
  for (std::size_t i = 0; i < 8;) {
    std::size_t end = i;
    while (end < 8 && pieces[end] == 0) ++end;
    if (end - i > run_length) {
      run_begin = i;
      run_length = end - i;
    }
    i = end + 1;
  }
  std::string text = "[";
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == run_begin) {
      text += i == 0 ? "::" : ":";
      i += run_length - 1;
      continue;
    }
    text += StrCat(absl::Hex(pieces[i]));
    if (i < 7) text += ':';
  }
  return text + "]";
}

absl::StatusOr<ParsedHost> ParseOpaqueHost(std::string_view input) {
  if (std::any_of(input.begin(), input.end(), IsForbiddenInHost)) {
    return absl::InvalidArgumentError("invalid character in host");
  }
  ParsedHost host;
  AppendEncoded(EncodeSet::kControl, input, host.text);
  host.kind = host.text.empty() ? Url::HostKind::kEmpty : Url::HostKind::kOpaque;
  return host;
}

}  // namespace

std::optional<std::array<std::uint16_t, 8>> ParseIpv6(std::string_view input) {
  std::array<std::uint16_t, 8> pieces{};
  std::size_t count = 0;
  std::optional<std::size_t> compress;
  std::size_t i = 0;
  if (input.substr(0, 1) == ":") {
    if (input.substr(0, 2) != "::") return std::nullopt;
    i = 2;
    compress = 0;
  }
  while (i < input.size()) {
    if (count == 8) return std::nullopt;
    if (input[i] == ':') {
      if (compress.has_value()) return std::nullopt;
      compress = count;
      ++i;
      continue;
    }
    const std::size_t begin = i;
    std::uint32_t value = 0;
    while (i < input.size() && i - begin < 4 && HexValue(input[i]) >= 0) {
      value = value * 16 + static_cast<std::uint32_t>(HexValue(input[i++]));
    }
    if (i < input.size() && input[i] == '.') {
      const std::optional<std::uint32_t> tail = ParseEmbeddedIpv4(input.substr(begin));
      if (!tail.has_value() || count > 6) return std::nullopt;
      pieces[count++] = static_cast<std::uint16_t>(*tail >> 16U);
      pieces[count++] = static_cast<std::uint16_t>(*tail & 0xffffU);
      break;
    }
    if (i == begin) return std::nullopt;
    pieces[count++] = static_cast<std::uint16_t>(value);
    if (i == input.size()) break;
    if (input[i] != ':' || i + 1 == input.size()) return std::nullopt;
    ++i;
  }
  if (!compress.has_value()) {
    if (count != 8) return std::nullopt;
    return pieces;
  }
  if (count == 8) return std::nullopt;
  // Moves what stands behind "::" to the end.
  std::rotate(pieces.begin() + static_cast<std::ptrdiff_t>(*compress),
              pieces.begin() + static_cast<std::ptrdiff_t>(count), pieces.end());
  return pieces;
}

absl::StatusOr<ParsedHost> ParseHost(std::string_view input, bool special) {
  if (!input.empty() && input.front() == '[') {
    if (input.back() != ']' || input.size() < 2) {
      return absl::InvalidArgumentError("invalid IPv6 address");
    }
    const auto pieces = ParseIpv6(input.substr(1, input.size() - 2));
    if (!pieces.has_value()) return absl::InvalidArgumentError("invalid IPv6 address");
    return ParsedHost{SerializeIpv6(*pieces), Url::HostKind::kIpv6};
  }
  if (!special) return ParseOpaqueHost(input);

  ASSIGN_OR_RETURN(std::string domain, DomainToAscii(ReplaceBadUtf8(PercentDecode(input))));
  if (domain.empty()) return absl::InvalidArgumentError("empty host");
  if (std::any_of(domain.begin(), domain.end(), IsForbiddenInDomain)) {
    return absl::InvalidArgumentError("invalid character in host");
  }
  if (EndsInNumber(domain)) {
    ASSIGN_OR_RETURN(std::string address, ParseIpv4(domain));
    return ParsedHost{std::move(address), Url::HostKind::kIpv4};
  }
  return ParsedHost{std::move(domain), Url::HostKind::kDomain};
}

}  // namespace dragonfly::internal
