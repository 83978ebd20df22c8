#include "dfdaemon/piece/piece_picker.h"

#include <set>
#include <string_view>

#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

// Offers are written per parent: "x.x" means that it has pieces 0 and 2.
ParentMask Offers(PiecePicker& picker, std::initializer_list<std::string_view> parents) {
  ParentMask mask;
  ParentSlot slot = 0;
  for (const std::string_view pieces : parents) {
    for (PieceNumber number = 0; number < pieces.size(); ++number) {
      if (pieces[number] == 'x') picker.Offer(number, slot);
    }
    mask.Add(slot++);
  }
  return mask;
}

PiecePicker WantingAll(PieceNumber count) {
  PiecePicker picker(count);
  picker.Want(0, count);
  return picker;
}

TEST(PiecePickerTest, PicksNothingThatNobodyOffers) {
  auto picker = WantingAll(3);
  Random random(1);
  EXPECT_EQ(picker.PickRarest(Offers(picker, {"...", "..."}), random), std::nullopt);
  EXPECT_FALSE(picker.AnyOffered(ParentMask::Of(0)));
}

TEST(PiecePickerTest, PicksNothingThatIsNotWanted) {
  PiecePicker picker(3);
  Random random(1);
  EXPECT_EQ(picker.PickRarest(Offers(picker, {"xxx"}), random), std::nullopt);
  EXPECT_EQ(picker.PickUnoffered({}), std::nullopt);
}

TEST(PiecePickerTest, SkipsParentsThatAreNotUsable) {
  auto picker = WantingAll(2);
  Random random(1);
  (void)Offers(picker, {"x.", ".x"});
  EXPECT_EQ(picker.PickRarest(ParentMask::Of(1), random), 1U);
}

TEST(PiecePickerTest, PicksTheRarestPiece) {
  auto picker = WantingAll(3);
  Random random(1);
  const auto parents = Offers(picker, {"xxx", "x.x", "x.x"});
  EXPECT_EQ(picker.PickRarest(parents, random), 1U);
}

TEST(PiecePickerTest, ChoosesAmongEqualsAtRandom) {
  auto picker = WantingAll(8);
  Random random(1);
  const auto parents = Offers(picker, {"xxxxxxxx"});
  std::set<PieceNumber> seen;
  for (int i = 0; i < 200; ++i) seen.insert(*picker.PickRarest(parents, random));
  EXPECT_EQ(seen.size(), 8U);
}

TEST(PiecePickerTest, TwoChildrenStartAtDifferentPieces) {
  int same = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    auto a = WantingAll(64);
    auto b = WantingAll(64);
    Random random_a(2 * seed);
    Random random_b(2 * seed + 1);
    const auto parents = Offers(a, {std::string_view(std::string(64, 'x'))});
    for (PieceNumber n = 0; n < 64; ++n) b.Offer(n, 0);
    if (a.PickRarest(parents, random_a) == b.PickRarest(parents, random_b)) ++same;
  }
  EXPECT_LT(same, 10);
}

TEST(PiecePickerTest, DoesNotPickWhatIsInFlightOrHere) {
  auto picker = WantingAll(3);
  Random random(1);
  const auto parents = Offers(picker, {"xxx"});
  picker.Start(0);
  picker.Start(1);
  picker.Finish(1);
  EXPECT_EQ(picker.PickRarest(parents, random), 2U);
  EXPECT_EQ(picker.in_flight(), 1U);
  EXPECT_EQ(picker.missing(), 2U);
}

TEST(PiecePickerTest, AFailedPieceIsOpenAgainAndItsFailuresCount) {
  auto picker = WantingAll(1);
  Random random(1);
  const auto parents = Offers(picker, {"x"});
  picker.Start(0);
  picker.Fail(0);
  picker.Fail(0);  // Told twice: counted once.
  EXPECT_EQ(picker.failures(0), 1U);
  EXPECT_EQ(picker.in_flight(), 0U);
  EXPECT_EQ(picker.PickRarest(parents, random), 0U);
}

TEST(PiecePickerTest, ALostPieceIsMissingAgain) {
  auto picker = WantingAll(2);
  picker.Finish(0);
  picker.Finish(1);
  EXPECT_EQ(picker.missing(), 0U);
  picker.Lose(1);
  picker.Lose(1);
  EXPECT_EQ(picker.Missing(), std::vector<PieceNumber>{1});
}

TEST(PiecePickerTest, TheSourceGetsTheFirstPieceThatNobodyOffers) {
  auto picker = WantingAll(4);
  const auto parents = Offers(picker, {"x..x"});
  EXPECT_EQ(picker.PickUnoffered(parents), 1U);
  picker.Start(1);
  EXPECT_EQ(picker.PickUnoffered(parents), 2U);
  picker.Start(2);
  EXPECT_EQ(picker.PickUnoffered(parents), std::nullopt);
  EXPECT_EQ(picker.PickUnoffered({}), 0U) << "without parents everything is for the source";
}

TEST(PiecePickerTest, AWithdrawnParentOffersNothing) {
  auto picker = WantingAll(2);
  const auto parents = Offers(picker, {"xx", "x."});
  picker.WithdrawAll(0);
  EXPECT_EQ(picker.PickUnoffered(parents), 1U);
  picker.Withdraw(0, 1);
  EXPECT_FALSE(picker.AnyOffered(parents));
}

TEST(PiecePickerTest, WantingAnewForgetsWhatNobodyNeeds) {
  auto picker = WantingAll(4);
  picker.Start(3);
  picker.WantNothing();
  picker.Want(1, 2);
  EXPECT_EQ(picker.Missing(), (std::vector<PieceNumber>{1, 2}));
  picker.Finish(3);
  EXPECT_EQ(picker.missing(), 2U);
  picker.Want(0, 4);
  EXPECT_EQ(picker.missing(), 3U);
}

TEST(PiecePickerTest, OfOneParentPicksTheRarestAlsoAmongThoseInFlight) {
  auto picker = WantingAll(4);
  Random random(1);
  const auto parents = Offers(picker, {"xxx.", "xx.x", "x..x"});
  picker.Start(2);
  EXPECT_EQ(picker.PickRarestOf(0, parents, {}, random), 1U);
  const std::vector<PieceNumber> in_flight = {2};
  EXPECT_EQ(picker.PickRarestOf(0, parents, in_flight, random), 2U);
  EXPECT_EQ(picker.PickRarestOf(5, parents, {}, random), std::nullopt);
}

}  // namespace
}  // namespace dragonfly::dfdaemon
