#include "common/config/values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <arpa/inet.h>

#include "absl/strings/numbers.h"
#include "common/base/strings.h"

namespace dragonfly {
namespace {

constexpr std::size_t kMaxValueBytes = 128;

struct Unit {
  std::string_view name;
  std::int64_t nanos;
};

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

std::string Lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

absl::Status Bad(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(
      StrCat("\"", text.substr(0, kMaxValueBytes), "\" is not ", what));
}

constexpr std::string_view kSizeExample = "a size such as 64MiB, 50GB or a number of bytes";
constexpr std::string_view kHumantimeExample = "a duration such as 300s, 5m or 1h 30m";
constexpr std::string_view kGoDurationExample = "a duration such as 300ms, 5m or 1h30m";

// Bytes of a unit in lower case; 0 for an unknown one.
std::uint64_t SizeUnit(std::string_view unit) {
  if (unit == "b") return 1;
  constexpr std::string_view kPrefixes = "kmgtpe";
  const std::size_t power = unit.empty() ? std::string_view::npos : kPrefixes.find(unit.front());
  if (power == std::string_view::npos) return 0;
  const std::string_view rest = unit.substr(1);
  std::uint64_t base = 0;
  if (rest.empty() || rest == "b") base = 1000;
  if (rest == "i" || rest == "ib") base = 1024;
  std::uint64_t result = 1;
  for (std::size_t i = 0; i <= power; ++i) result *= base;
  return result;
}

std::optional<std::int64_t> HumantimeUnit(std::string_view unit) {
  static constexpr std::array kUnits = std::to_array<Unit>(
      {{"nanos", 1}, {"nsec", 1}, {"ns", 1}, {"usec", 1'000}, {"us", 1'000}, {"µs", 1'000},
       {"millis", 1'000'000}, {"msec", 1'000'000}, {"ms", 1'000'000}, {"seconds", kSecond},
       {"second", kSecond}, {"secs", kSecond}, {"sec", kSecond}, {"s", kSecond},
       {"minutes", 60 * kSecond}, {"minute", 60 * kSecond}, {"mins", 60 * kSecond},
       {"min", 60 * kSecond}, {"m", 60 * kSecond}, {"hours", 3600 * kSecond},
       {"hour", 3600 * kSecond}, {"hrs", 3600 * kSecond}, {"hr", 3600 * kSecond},
       {"h", 3600 * kSecond}, {"days", kDay}, {"day", kDay}, {"d", kDay}, {"weeks", 7 * kDay},
       {"week", 7 * kDay}, {"wks", 7 * kDay}, {"wk", 7 * kDay}, {"w", 7 * kDay},
       {"months", 2'630'016 * kSecond}, {"month", 2'630'016 * kSecond}, {"M", 2'630'016 * kSecond},
       {"years", 31'557'600 * kSecond}, {"year", 31'557'600 * kSecond}, {"yrs", 31'557'600 * kSecond},
       {"yr", 31'557'600 * kSecond}, {"y", 31'557'600 * kSecond}});
  for (const Unit& known : kUnits) {
    if (known.name == unit) return known.nanos;
  }
  return std::nullopt;
}

std::optional<std::int64_t> GoUnit(std::string_view unit) {
  static constexpr std::array kUnits = std::to_array<Unit>({{"ns", 1},
                                                            {"us", 1'000},
                                                            {"\u00b5s", 1'000},
                                                            {"\u03bcs", 1'000},
                                                            {"ms", 1'000'000},
                                                            {"s", kSecond},
                                                            {"m", 60 * kSecond},
                                                            {"h", 3600 * kSecond}});
  for (const Unit& known : kUnits) {
    if (known.name == unit) return known.nanos;
  }
  return std::nullopt;
}

// Splits the longest prefix off whose characters satisfy `is`.
template <class Predicate>
std::string_view TakeWhile(std::string_view& text, Predicate is) {
  std::size_t end = 0;
  while (end < text.size() && is(text[end])) ++end;
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end);
  return taken;
}

template <class Number>
absl::StatusOr<Number> ParseWhole(std::string_view text) {
  std::string_view digits = Trim(text);
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Number value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) return Bad(text, "in the range of 64-bit numbers");
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return Bad(text, "a whole number");
  }
  return value;
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseByteSize(std::string_view text) {
  std::string_view rest = Trim(text);
  if (rest.size() > kMaxValueBytes) return Bad(text, kSizeExample);
  const std::string_view number =
      TakeWhile(rest, [](char c) { return IsDigit(c) || c == '.'; });
  const std::string unit = Lower(Trim(rest));
  if (unit.empty()) {
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bytes);
    if (error != std::errc() || end != number.data() + number.size()) return Bad(text, kSizeExample);
    return bytes;
  }
  const std::uint64_t factor = SizeUnit(unit);
  double value = 0;
  if (factor == 0 || number.empty() || !absl::SimpleAtod(ToAbsl(number), &value)) {
    return Bad(text, kSizeExample);
  }
  // Whole numbers go without rounding.
  std::uint64_t whole = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), whole);
  std::uint64_t bytes = 0;
  if (error == std::errc() && end == number.data() + number.size()) {
    if (__builtin_mul_overflow(whole, factor, &bytes)) return Bad(text, "a size below 16EiB");
    return bytes;
  }
  const double product = value * static_cast<double>(factor);
  if (!(product < 0x1p64)) return Bad(text, "a size below 16EiB");
  return static_cast<std::uint64_t>(product);
}

std::string FormatByteSize(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                             "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return StrCat(bytes, kUnits[unit]);
}

absl::StatusOr<std::chrono::nanoseconds> ParseHumantime(std::string_view text) {
  std::string_view rest = Trim(text);
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty() || rest.size() > kMaxValueBytes) return Bad(text, kHumantimeExample);
  std::int64_t total = 0;
  while (!rest.empty()) {
    const std::string_view digits = TakeWhile(rest, IsDigit);
    TakeWhile(rest, IsBlank);
    const std::string_view unit = TakeWhile(rest, [](char c) { return !IsDigit(c) && !IsBlank(c); });
    TakeWhile(rest, IsBlank);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    const auto nanos = HumantimeUnit(unit);
    if (digits.empty() || error != std::errc() || !nanos) return Bad(text, kHumantimeExample);
    std::int64_t part = 0;
    if (__builtin_mul_overflow(value, *nanos, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return Bad(text, "a duration below 292 years");
    }
  }
  return std::chrono::nanoseconds(total);
}

std::string FormatHumantime(std::chrono::nanoseconds duration) {
  static constexpr std::array kUnits = std::to_array<Unit>({{"d", kDay},
                                                            {"h", 3600 * kSecond},
                                                            {"m", 60 * kSecond},
                                                            {"s", kSecond},
                                                            {"ms", 1'000'000},
                                                            {"us", 1'000},
                                                            {"ns", 1}});
  std::int64_t left = duration.count();
  if (left <= 0) return "0s";
  std::string result;
  for (const Unit& unit : kUnits) {
    if (left < unit.nanos) continue;
    result += StrCat(result.empty() ? "" : " ", left / unit.nanos, unit.name);
    left %= unit.nanos;
  }
  return result;
}

absl::StatusOr<std::chrono::nanoseconds> ParseGoDuration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return std::chrono::nanoseconds(0);
  if (rest.empty() || rest.size() > kMaxValueBytes) return Bad(text, kGoDurationExample);
  std::int64_t total = 0;
  while (!rest.empty()) {
    const std::string_view whole = TakeWhile(rest, IsDigit);
    std::string_view fraction;
    if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      fraction = TakeWhile(rest, IsDigit);
    }
    const std::string_view unit = TakeWhile(rest, [](char c) { return c != '.' && !IsDigit(c); });
    const auto nanos = GoUnit(unit);
    if ((whole.empty() && fraction.empty()) || !nanos) return Bad(text, kGoDurationExample);
    std::int64_t value = 0;
    if (!whole.empty()) {
      const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), value);
      if (error != std::errc()) return Bad(text, kGoDurationExample);
    }
    double part_of_unit = 0;
    double scale = 0.1;
    for (const char digit : fraction) {
      part_of_unit += scale * (digit - '0');
      scale /= 10;
    }
    std::int64_t part = 0;
    const auto extra = static_cast<std::int64_t>(
        std::llround(part_of_unit * static_cast<double>(*nanos)));
    if (__builtin_mul_overflow(value, *nanos, &part) || __builtin_add_overflow(part, extra, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return Bad(text, "a duration below 292 years");
    }
  }
  return std::chrono::nanoseconds(negative ? -total : total);
}

std::string FormatGoDuration(std::chrono::nanoseconds duration) {
  const std::int64_t nanos = duration.count();
  if (nanos == 0) return "0s";
  // In unsigned arithmetic, because -min does not fit.
  const std::uint64_t left =
      nanos < 0 ? ~static_cast<std::uint64_t>(nanos) + 1 : static_cast<std::uint64_t>(nanos);
  const std::string sign = nanos < 0 ? "-" : "";
  const auto decimal = [](std::uint64_t value, std::uint64_t unit) {
    std::string text = StrCat(value / unit);
    std::uint64_t rest = value % unit;
    if (rest == 0) return text;
    text += '.';
    for (std::uint64_t digit = unit / 10; rest != 0; digit /= 10) {
      text += static_cast<char>('0' + rest / digit);
      rest %= digit;
    }
    return text;
  };
  if (left < 1'000) return StrCat(sign, left, "ns");
  if (left < 1'000'000) return StrCat(sign, decimal(left, 1'000), "\u00b5s");
  if (left < kSecond) return StrCat(sign, decimal(left, 1'000'000), "ms");
  constexpr std::uint64_t kMinute = 60ULL * kSecond;
  const std::uint64_t minutes = left / kMinute;
  std::string result = sign;
  if (minutes >= 60) result += StrCat(minutes / 60, "h");
  if (minutes > 0) result += StrCat(minutes % 60, "m");
  return StrCat(result, decimal(left % kMinute, kSecond), "s");
}

absl::StatusOr<std::int64_t> ParseSigned(std::string_view text) {
  return ParseWhole<std::int64_t>(text);
}

absl::StatusOr<std::uint64_t> ParseUnsigned(std::string_view text) {
  return ParseWhole<std::uint64_t>(text);
}

absl::StatusOr<double> ParseReal(std::string_view text) {
  double value = 0;
  if (!absl::SimpleAtod(ToAbsl(text), &value) || !std::isfinite(value)) return Bad(text, "a number");
  return value;
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  const std::string lower = text.size() > 5 ? std::string() : Lower(text);
  if (lower == "true" || lower == "yes" || lower == "on") return true;
  if (lower == "false" || lower == "no" || lower == "off") return false;
  return Bad(text, "true or false");
}

bool IsIpAddress(std::string_view text) {
  if (text.size() > 64) return false;
  const std::string copy(text);
  in6_addr address{};
  return ::inet_pton(AF_INET, copy.c_str(), &address) == 1 ||
         ::inet_pton(AF_INET6, copy.c_str(), &address) == 1;
}

}  // namespace dragonfly
