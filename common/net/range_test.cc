#include "common/net/range.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "common/testing/matchers.h"

namespace dragonfly {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(ParseRangeHeaderTest, CutsAtTheContent) {
  const std::pair<const char*, ByteRange> cases[] = {
      {"bytes=0-9", {0, 10}},      {"bytes=90-", {90, 10}},          {"bytes=-10", {90, 10}},
      {"bytes=0-1000", {0, 100}},  {"bytes=-1000", {0, 100}},        {"Bytes = 5 - 6", {5, 2}},
      {"bytes=0-0", {0, 1}},       {"bytes=100-, 3-4, 5-6", {3, 2}}, {"bytes=99-99", {99, 1}},
      {"bytes=0-99999999999999999999999", {0, 100}}};
  for (const auto& [value, range] : cases) {
    EXPECT_THAT(ParseRangeHeader(value, 100), IsOkAndHolds(range)) << value;
  }
}

TEST(ParseRangeHeaderTest, TellsUnsatisfiableFromMalformed) {
  for (const char* value : {"bytes=100-", "bytes=100-200", "bytes=-0", "bytes=100-,200-"}) {
    EXPECT_THAT(ParseRangeHeader(value, 100), StatusIs(absl::StatusCode::kOutOfRange)) << value;
  }
  EXPECT_THAT(ParseRangeHeader("bytes=0-", 0), StatusIs(absl::StatusCode::kOutOfRange));
  for (const char* value : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "items=0-1",
                            "bytes=0-1,", "bytes=0-1,x", "bytes=0--1", "bytes=+1-2", "0-1"}) {
    EXPECT_THAT(ParseRangeHeader(value, 100), StatusIs(kInvalid)) << value;
  }
}

TEST(ParseRangeHeaderTest, BoundsTheNumberOfRanges) {
  std::string value = "bytes=0-0";
  for (std::size_t i = 1; i < kMaxRangesInHeader; ++i) value += ",0-0";
  EXPECT_THAT(ParseRangeHeader(value, 1), IsOk());
  EXPECT_THAT(ParseRangeHeader(value + ",0-0", 1), StatusIs(kInvalid, "too many"));
  EXPECT_THAT(ParseRangeHeader(std::string(kMaxRangeHeaderBytes + 1, ' '), 1),
              StatusIs(kInvalid, "too long"));
}

TEST(ParseFirstRangeTest, KeepsAnUnknownEndOpen) {
  EXPECT_THAT(ParseFirstRange("bytes=5-"), IsOkAndHolds(RangeSpec{.first = 5, .last = {}, .suffix_length = {}}));
  EXPECT_THAT(ParseFirstRange("bytes=-7"), IsOkAndHolds(RangeSpec{.first = {}, .last = {}, .suffix_length = 7}));
  EXPECT_THAT(ParseFirstRange("bytes=5-6,7-"), IsOkAndHolds(RangeSpec{.first = 5, .last = 6, .suffix_length = {}}));
  EXPECT_EQ(ResolveRange(RangeSpec{.first = 0, .last = kMax, .suffix_length = {}}, kMax),
            (ByteRange{0, kMax}));
}

TEST(ContentRangeTest, ReadsAllForms) {
  EXPECT_THAT(ParseContentRange("bytes 0-9/100"), IsOkAndHolds(ContentRange{ByteRange{0, 10}, 100}));
  EXPECT_THAT(ParseContentRange("bytes 5-9/*"), IsOkAndHolds(ContentRange{ByteRange{5, 5}, {}}));
  EXPECT_THAT(ParseContentRange("bytes */100"), IsOkAndHolds(ContentRange{{}, 100}));
}

TEST(ContentRangeTest, RefusesContradictions) {
  for (const char* value :
       {"", "bytes", "bytes 0-9", "bytes 9-0/100", "bytes 0-100/100", "bytes */*", "bytes 0-9/x",
        "items 0-9/100", "bytes -9/100", "bytes 0-/100", "bytes=0-9/100",
        "bytes 0-18446744073709551615/*", "bytes/0-9 100"}) {
    EXPECT_THAT(ParseContentRange(value), StatusIs(kInvalid)) << value;
  }
}

TEST(FormatRangeTest, ParsesBack) {
  EXPECT_EQ(FormatRangeHeader({5, 2}), "bytes=5-6");
  EXPECT_THAT(ParseRangeHeader(FormatRangeHeader({5, 2}), 100), IsOkAndHolds(ByteRange{5, 2}));
  EXPECT_EQ(FormatContentRange({5, 2}, 100), "bytes 5-6/100");
  EXPECT_THAT(ParseContentRange(FormatContentRange({5, 2}, 100)),
              IsOkAndHolds(ContentRange{ByteRange{5, 2}, 100}));
}

}  // namespace
}  // namespace dragonfly
