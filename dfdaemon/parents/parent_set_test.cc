#include "dfdaemon/parents/parent_set.h"

#include <array>

#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kPiece = 4 * kMiB;

// Gives the parent `rate` bytes per second by two pieces.
void Measure(ParentSet& parents, ParentSlot slot, double rate) {
  for (int i = 0; i < 2; ++i) {
    parents.Started(slot);
    parents.Received(slot, kPiece,
                     std::chrono::duration_cast<Duration>(
                         std::chrono::duration<double>(static_cast<double>(kPiece) / rate)));
  }
}

std::array<int, kMaxParents> Draw(const ParentSet& parents, ParentMask offering, int times) {
  Random random(7);
  std::array<int, kMaxParents> counts{};
  for (int i = 0; i < times; ++i) ++counts[*parents.Choose(offering, random)];
  return counts;
}

TEST(UploadHeadroomTest, IsNeverZero) {
  EXPECT_EQ(UploadHeadroom(std::nullopt), 10'000'000'000U);
  EXPECT_EQ(UploadHeadroom(UploadLoad{0, 0}), 10'000'000'000U);
  EXPECT_EQ(UploadHeadroom(UploadLoad{1000, 300}), 700U);
  EXPECT_EQ(UploadHeadroom(UploadLoad{1000, 5000}), 100U);
  EXPECT_EQ(UploadHeadroom(UploadLoad{1, 1}), 1U);
}

TEST(ParentSetTest, ChoosesNobodyWhenNobodyOffers) {
  ParentSet parents;
  Random random(1);
  EXPECT_EQ(parents.Choose({}, random), std::nullopt);
  (void)parents.Add(false);
  EXPECT_EQ(parents.Choose(ParentMask::Of(5), random), std::nullopt) << "an unknown parent";
}

TEST(ParentSetTest, TakesSixtyFourParentsAndNoMore) {
  ParentSet parents;
  for (int i = 0; i < kMaxParents; ++i) EXPECT_TRUE(parents.Add(false).has_value());
  EXPECT_EQ(parents.Add(false), std::nullopt);
  parents.Remove(3);
  EXPECT_EQ(parents.Add(false), ParentSlot{3});
}

TEST(ParentSetTest, SpreadsOverAllThatOffer) {
  ParentSet parents;
  const auto a = *parents.Add(false);
  const auto b = *parents.Add(false);
  const auto counts = Draw(parents, parents.all(), 1000);
  EXPECT_NEAR(counts[a], 500, 80);
  EXPECT_NEAR(counts[b], 500, 80);
}

TEST(ParentSetTest, PrefersTheIdleUplink) {
  ParentSet parents;
  const auto busy = *parents.Add(false);
  const auto idle = *parents.Add(false);
  parents.SetLoad(busy, {1'000'000'000, 950'000'000});
  parents.SetLoad(idle, {1'000'000'000, 0});
  const auto counts = Draw(parents, parents.all(), 1100);
  EXPECT_NEAR(counts[busy], 100, 50) << "a tenth of its bandwidth always counts";
}

TEST(ParentSetTest, WhatIsUnderWayCountsAgainstAParent) {
  ParentSet parents;
  const auto a = *parents.Add(false);
  const auto b = *parents.Add(false);
  for (int i = 0; i < 3; ++i) parents.Started(a);
  const auto counts = Draw(parents, parents.all(), 1000);
  EXPECT_NEAR(counts[b], 800, 80);
}

TEST(ParentSetTest, AsksTheSeedOnlyForWhatNoOtherOffers) {
  ParentSet parents;
  Random random(1);
  const auto seed = *parents.Add(true);
  const auto peer = *parents.Add(false);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(parents.Choose(parents.all(), random), peer);
  EXPECT_EQ(parents.Choose(ParentMask::Of(seed), random), seed);
}

TEST(ParentSetTest, ASlowParentGetsOnePieceAtATimeAndOnlyWhatNoFastOneOffers) {
  ParentSet parents;
  Random random(1);
  const auto slow = *parents.Add(false);
  const auto fast = *parents.Add(false);
  Measure(parents, slow, 1e6);
  Measure(parents, fast, 1e8);
  EXPECT_TRUE(parents.slow(slow));
  EXPECT_FALSE(parents.slow(fast));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(parents.Choose(parents.all(), random), fast);
  EXPECT_EQ(parents.Choose(ParentMask::Of(slow), random), slow);
  parents.Started(slow);
  EXPECT_EQ(parents.Choose(ParentMask::Of(slow), random), std::nullopt);
  EXPECT_FALSE(parents.Available().Has(slow));
  parents.Failed(slow);
  EXPECT_TRUE(parents.Available().Has(slow));
}

TEST(ParentSetTest, NobodyIsSlowAloneOrWithoutPieces) {
  ParentSet parents;
  const auto a = *parents.Add(false);
  const auto b = *parents.Add(false);
  Measure(parents, a, 1);
  EXPECT_FALSE(parents.slow(a));
  EXPECT_FALSE(parents.slow(b));
}

TEST(ParentSetTest, ReplacesAStuckTransfer) {
  ParentSet parents;
  Random random(1);
  const auto stuck = *parents.Add(false);
  const auto other = *parents.Add(false);
  const ParentSet::Transfer transfer{stuck, kPiece, kPiece / 2, seconds(10), seconds(5)};
  EXPECT_EQ(parents.Replacement(transfer, parents.all(), random), other);
  EXPECT_EQ(parents.Replacement(transfer, ParentMask::Of(stuck), random), std::nullopt)
      << "nobody else has it";
}

TEST(ParentSetTest, ReplacesATransferOnlyWhenThatIsClearlyFaster) {
  ParentSet parents;
  Random random(1);
  const auto present = *parents.Add(false);
  const auto other = *parents.Add(false);
  Measure(parents, other, static_cast<double>(kPiece));  // One second per piece.
  // A tenth after two seconds: 18 s to go.
  ParentSet::Transfer transfer{present, kPiece, kPiece / 10, seconds(2), milliseconds(100)};
  EXPECT_EQ(parents.Replacement(transfer, parents.all(), random), other);
  transfer.received = kPiece * 6 / 10;  // 1.3 s to go.
  EXPECT_EQ(parents.Replacement(transfer, parents.all(), random), std::nullopt);
  transfer.received = 0;
  transfer.elapsed = milliseconds(500);
  EXPECT_EQ(parents.Replacement(transfer, parents.all(), random), std::nullopt) << "too early";
}

}  // namespace
}  // namespace dragonfly::dfdaemon
