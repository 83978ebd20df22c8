#include "common/net/idna.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "common/base/utf8.h"

namespace dragonfly::internal {
namespace {

constexpr std::uint32_t kRefused = 0;
// DNS allows 253 characters; the limit also keeps the quadratic encoder short.
constexpr std::size_t kMaxDomainBytes = 4096;
constexpr std::size_t kMaxLabelCodePoints = 256;

// Blocks where upper and lower case alternate; `upper_parity` is the parity of the upper case.
constexpr std::uint32_t LowerPair(std::uint32_t c, std::uint32_t upper_parity) {
  return c % 2 == upper_parity ? c + 1 : c;
}

// The mapped character, or kRefused. None of the accepted ones composes with another one, so the
// result is in normal form C by construction.
std::uint32_t MapCodePoint(std::uint32_t c) {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0x80) return c == 0 ? kRefused : c;
  if (c >= 0xc0 && c <= 0xde && c != 0xd7) return c + 32;
  if (c >= 0xdf && c <= 0xff && c != 0xf7) return c;
  if ((c >= 0x100 && c <= 0x12f) || (c >= 0x134 && c <= 0x137)) return LowerPair(c, 0);
  if (c >= 0x139 && c <= 0x148 && c != 0x13f && c != 0x140) return LowerPair(c, 1);
  if (c >= 0x14a && c <= 0x177) return LowerPair(c, 0);
  if (c >= 0x179 && c <= 0x17e) return LowerPair(c, 1);
  if (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) return c + 32;
  if (c >= 0x3ac && c <= 0x3ce) return c;
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  if (c >= 0x410 && c <= 0x42f) return c + 32;
  if (c >= 0x430 && c <= 0x45f) return c;
  if (c == 0x3002) return '.';
  if (c == 0x3005 || c == 0x3007) return c;
  if ((c >= 0x3041 && c <= 0x3096) || c == 0x309d || c == 0x309e) return c;
  if ((c >= 0x30a1 && c <= 0x30fa) || (c >= 0x30fc && c <= 0x30fe)) return c;
  if ((c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff)) return c;
  if (c >= 0xac00 && c <= 0xd7a3) return c;
  return kRefused;
}

// RFC 3492 section 6.1.
std::uint32_t AdaptBias(std::uint32_t delta, std::uint32_t points, bool first) {
  delta = first ? delta / 700 : delta / 2;
  delta += delta / points;
  std::uint32_t k = 0;
  for (; delta > 455; k += 36) delta /= 35;
  return k + 36 * delta / (delta + 38);
}

// RFC 3492 section 6.3. With at most kMaxLabelCodePoints points below 0x110000, `delta` stays below
// 2^29 and cannot overflow.
std::string Punycode(const std::vector<std::uint32_t>& label) {
  constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string out;
  for (const std::uint32_t c : label) {
    if (c < 0x80) out += static_cast<char>(c);
  }
  const auto basic = static_cast<std::uint32_t>(out.size());
  if (basic > 0) out += '-';
  std::uint32_t n = 0x80;
  std::uint32_t delta = 0;
  std::uint32_t bias = 72;
  for (std::uint32_t handled = basic; handled < label.size();) {
    std::uint32_t next = std::numeric_limits<std::uint32_t>::max();
    for (const std::uint32_t c : label) {
      if (c >= n) next = std::min(next, c);
    }
    delta += (next - n) * (handled + 1);
    n = next;
    for (const std::uint32_t c : label) {
      if (c < n) ++delta;
      if (c != n) continue;
      std::uint32_t q = delta;
      for (std::uint32_t k = 36;; k += 36) {
        const std::uint32_t t = k <= bias ? 1 : std::min<std::uint32_t>(k - bias, 26);
        if (q < t) break;
        out += kDigits[t + (q - t) % (36 - t)];
        q = (q - t) / (36 - t);
      }
      out += kDigits[q];
      bias = AdaptBias(delta, handled + 1, handled == basic);
      delta = 0;
      ++handled;
    }
    ++delta;
    ++n;
  }
  return out;
}

absl::Status AppendLabel(const std::vector<std::uint32_t>& label, std::string& out) {
  const bool ascii = std::all_of(label.begin(), label.end(), [](auto c) { return c < 0x80; });
  if (ascii) {
    for (const std::uint32_t c : label) out += static_cast<char>(c);
    return absl::OkStatus();
  }
  if (label.size() > kMaxLabelCodePoints) {
    return absl::InvalidArgumentError("international domain name is too long");
  }
  if (label.front() == '-' || label.back() == '-' ||
      (label.size() > 3 && label[2] == '-' && label[3] == '-')) {
    return absl::InvalidArgumentError("invalid international domain name");
  }
  out += "xn--";
  out += Punycode(label);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> DomainToAscii(std::string_view domain) {
  if (domain.size() > kMaxDomainBytes) {
    return absl::InvalidArgumentError("domain name is too long");
  }
  std::string result;
  std::vector<std::uint32_t> label;
  for (std::size_t position = 0; position < domain.size();) {
    const std::int32_t c = NextCodePoint(domain, position);
    const std::uint32_t mapped =
        c == kBadCodePoint ? kRefused : MapCodePoint(static_cast<std::uint32_t>(c));
    if (mapped == kRefused) {
      return absl::InvalidArgumentError(
          "invalid international domain name, or a script that is not supported; write it in its "
          "ASCII form (xn--)");
    }
    if (mapped != '.') {
      label.push_back(mapped);
      continue;
    }
    RETURN_IF_ERROR(AppendLabel(label, result));
    result += '.';
    label.clear();
  }
  RETURN_IF_ERROR(AppendLabel(label, result));
  // Its ASCII form is longer, and is a domain name itself.
  if (result.size() > kMaxDomainBytes) {
    return absl::InvalidArgumentError("domain name is too long");
  }
  return result;
}

}  // namespace dragonfly::internal
