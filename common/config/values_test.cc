#include "common/config/values.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "common/testing/matchers.h"

namespace dragonfly {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(ParseByteSizeTest, KnowsDecimalAndBinaryUnitsInAnyCase) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"0", 0},
      {"4096", 4096},
      {" 10GiB ", 10ULL << 30U},
      {"4MiB", 4ULL << 20U},
      {"4 mib", 4ULL << 20U},
      {"50GB", 50'000'000'000},
      {"1k", 1000},
      {"1ki", 1024},
      {"1.5KiB", 1536},
      {"1.5 kb", 1500},
      {"7B", 7},
      {"2TiB", 2ULL << 40U},
      {"1pb", 1'000'000'000'000'000},
      {"15EiB", 15ULL << 60U},
      {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()},
      {"9007199254740993B", 9007199254740993},  // Not a double.
  };
  for (const auto& [text, bytes] : cases) EXPECT_THAT(ParseByteSize(text), IsOkAndHolds(bytes)) << text;
}

TEST(ParseByteSizeTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", " ", "GiB", "-1", "1.2.3KiB", "1,5KiB", "10 XB", "10GiBs", "1.5",
                           "18446744073709551616", "16EiB", "99999999EiB", "0x10", "inf", "1e3"}) {
    EXPECT_THAT(ParseByteSize(text), StatusIs(kInvalid)) << text;
  }
}

TEST(FormatByteSizeTest, ParsesBack) {
  EXPECT_EQ(FormatByteSize(10ULL << 30U), "10GiB");
  EXPECT_EQ(FormatByteSize(1536), "1536B");
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 63U,
                                    std::numeric_limits<std::uint64_t>::max()}) {
    EXPECT_THAT(ParseByteSize(FormatByteSize(bytes)), IsOkAndHolds(bytes));
  }
}

TEST(ParseHumantimeTest, AddsNumbersWithUnits) {
  const std::pair<const char*, nanoseconds> cases[] = {
      {"300s", seconds(300)},      {"5m", minutes(5)},
      {"1h30m", minutes(90)},      {"1h 30m", minutes(90)},
      {"720h", hours(720)},        {"1d", hours(24)},
      {"2 weeks", hours(336)},     {"15days 2min 2s", hours(360) + seconds(122)},
      {"1M", seconds(2'630'016)},  {"1y", seconds(31'557'600)},
      {"100ms", milliseconds(100)}, {"3us", nanoseconds(3000)},
      {"0", nanoseconds(0)},       {"0s", nanoseconds(0)}};
  for (const auto& [text, value] : cases) EXPECT_THAT(ParseHumantime(text), IsOkAndHolds(value)) << text;
}

TEST(ParseHumantimeTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "300", "s", "1.5h", "-1s", "1h30", "5 parsecs", "1S", "300y",
                           "99999999999999999999s"}) {
    EXPECT_THAT(ParseHumantime(text), StatusIs(kInvalid)) << text;
  }
}

TEST(FormatHumantimeTest, ParsesBack) {
  EXPECT_EQ(FormatHumantime(seconds(5400)), "1h 30m");
  EXPECT_EQ(FormatHumantime(nanoseconds(0)), "0s");
  for (const std::int64_t nanos :
       {std::int64_t{1}, std::int64_t{1'000'001}, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_THAT(ParseHumantime(FormatHumantime(nanoseconds(nanos))),
                IsOkAndHolds(nanoseconds(nanos)));
  }
}

TEST(ParseGoDurationTest, ReadsAsGoDoes) {
  const std::pair<const char*, nanoseconds> cases[] = {
      {"0", nanoseconds(0)},          {"500ms", milliseconds(500)},
      {"1h30m", minutes(90)},         {"1.5s", milliseconds(1500)},
      {".5s", milliseconds(500)},     {"-2ms", milliseconds(-2)},
      {"+5s", seconds(5)},            {"1us", nanoseconds(1000)},
      {"1\u00b5s", nanoseconds(1000)}, {"24h", hours(24)}};
  for (const auto& [text, value] : cases) EXPECT_THAT(ParseGoDuration(text), IsOkAndHolds(value)) << text;
}

TEST(ParseGoDurationTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "5", "1d", "s", ".s", "1h 30m", "-", "1..5s", "9223372036854775808ns",
                           "3000000h"}) {
    EXPECT_THAT(ParseGoDuration(text), StatusIs(kInvalid)) << text;
  }
}

TEST(FormatGoDurationTest, WritesAsGoDoes) {
  EXPECT_EQ(FormatGoDuration(minutes(90)), "1h30m0s");
  EXPECT_EQ(FormatGoDuration(milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatGoDuration(milliseconds(300)), "300ms");
  EXPECT_EQ(FormatGoDuration(nanoseconds(1'500)), "1.5\u00b5s");
  EXPECT_EQ(FormatGoDuration(nanoseconds(0)), "0s");
  EXPECT_EQ(FormatGoDuration(nanoseconds(std::numeric_limits<std::int64_t>::min())),
            "-2562047h47m16.854775808s");
}

TEST(ParseBoolTest, TakesTheWordsOfYaml) {
  EXPECT_THAT(ParseBool("True"), IsOkAndHolds(true));
  EXPECT_THAT(ParseBool("off"), IsOkAndHolds(false));
  EXPECT_THAT(ParseBool("1"), StatusIs(kInvalid));
  EXPECT_THAT(ParseBool(""), StatusIs(kInvalid));
}

TEST(ParseNumberTest, RefusesTextBehindTheNumber) {
  EXPECT_THAT(ParseUnsigned("12"), IsOkAndHolds(12U));
  EXPECT_THAT(ParseSigned("-12"), IsOkAndHolds(-12));
  EXPECT_THAT(ParseUnsigned("12a"), StatusIs(kInvalid));
  EXPECT_THAT(ParseUnsigned("-1"), StatusIs(kInvalid));
  EXPECT_THAT(ParseUnsigned("18446744073709551616"), StatusIs(kInvalid, "range"));
  EXPECT_THAT(ParseReal("nan"), StatusIs(kInvalid));
}

TEST(IsIpAddressTest, TakesBothFamiliesOnly) {
  EXPECT_TRUE(IsIpAddress("10.0.0.1"));
  EXPECT_TRUE(IsIpAddress("fe80::1"));
  EXPECT_FALSE(IsIpAddress("[::1]"));
  EXPECT_FALSE(IsIpAddress("localhost"));
  EXPECT_FALSE(IsIpAddress("10.0.0.1/8"));
}

}  // namespace
}  // namespace dragonfly
