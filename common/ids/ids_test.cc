// The formulas are tested by tests/golden/id_vectors_test.cc; here is what the vectors do not say.

#include "common/ids/ids.h"

#include <limits>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/ids/piece_math.h"
#include "common/ids/task_id.h"
#include "common/testing/matchers.h"

namespace dragonfly {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(MakeUuidV4Test, SetsVersionAndVariantAndDiffers) {
  Random random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string uuid = MakeUuidV4(random);
    ASSERT_EQ(uuid.size(), 36U);
    EXPECT_EQ(uuid[14], '4');
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 100U);
}

TEST(IsHexTaskIdTest, KeepsPathsOutOfFileNames) {
  EXPECT_TRUE(IsHexTaskId("0a"));
  for (const std::string& id : {std::string(), std::string("../x"), std::string("0A"),
                                std::string("0g"), std::string("0\0", 2), std::string(129, 'a')}) {
    EXPECT_FALSE(IsHexTaskId(id)) << id;
  }
}

TEST(ParseFilteredQueryParamsTest, TrimsNamesAndLeavesEmptyOnesOut) {
  EXPECT_EQ(ParseFilteredQueryParams(" a, b ,,c"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_TRUE(ParseFilteredQueryParams("").empty());
  EXPECT_TRUE(ParseFilteredQueryParams(" , ").empty());
}

TEST(PieceLayoutTest, RefusesLayoutsThatNumbersCannotCount) {
  EXPECT_THAT(PieceLayout::Create(1, 0), StatusIs(kInvalid));
  EXPECT_THAT(PieceLayout::Create(kMax, 1), StatusIs(kInvalid));
  EXPECT_THAT(PieceLayout::Create(kMax, kMax), IsOk());
}

TEST(PieceLayoutTest, CoversTheContentWithoutGapOrOverlap) {
  for (const std::uint64_t length : {1ULL, 9ULL, 10ULL, 11ULL, 99ULL, 100ULL}) {
    const auto layout = PieceLayout::Create(length, 10);
    ASSERT_THAT(layout, IsOk());
    std::uint64_t next = 0;
    for (PieceNumber i = 0; i < layout->piece_count(); ++i) {
      const PieceSpan span = layout->At(i);
      EXPECT_EQ(span.offset, next);
      EXPECT_GT(span.length, 0U);
      EXPECT_EQ(layout->NumberAt(span.offset), i);
      EXPECT_EQ(layout->NumberAt(span.offset + span.length - 1), i);
      next += span.length;
    }
    EXPECT_EQ(next, length);
  }
}

TEST(PieceLayoutTest, StandsRangesAtTheEndOfNumbers) {
  const auto layout = PieceLayout::Create(100, 10);
  ASSERT_THAT(layout, IsOk());
  EXPECT_THAT(layout->Interested(ByteRange{99, kMax}), IsOkAndHolds(PieceLayout::Run{9, 1}));
  EXPECT_THAT(layout->Interested(ByteRange{kMax, kMax}), StatusIs(kInvalid));
  EXPECT_THAT(layout->Interested(ByteRange{0, kMax}), IsOkAndHolds(PieceLayout::Run{0, 10}));
}

}  // namespace
}  // namespace dragonfly
