#include "dfdaemon/pacing/upload_queue.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dragonfly::dfdaemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint64_t kPiece = 4 << 20;
const SteadyTime kStart{std::chrono::hours(1)};

class UploadQueueTest : public ::testing::Test {
 protected:
  std::vector<UploadQueue::Ticket> Admit() {
    std::vector<UploadQueue::Ticket> turns;
    queue.Admit(now, turns);
    return turns;
  }
  UploadQueue::Ticket Enter(std::uint64_t piece, std::uint64_t length = kPiece) {
    return queue.Enter(now, piece, length);
  }
  // Sends over a link of 100 Mbit/s.
  void Send(Duration time) {
    for (const SteadyTime end = now + time; now < end; now += milliseconds(5)) {
      queue.Moved(now, 62'500);
    }
  }

  UploadQueue queue{StreamLimit::Options{}};
  SteadyTime now = kStart;
};

TEST_F(UploadQueueTest, OneAfterTheOther) {
  const auto a = Enter(1);
  const auto b = Enter(2);
  EXPECT_THAT(Admit(), ElementsAre(a));
  EXPECT_THAT(Admit(), IsEmpty());
  Send(milliseconds(150));
  EXPECT_THAT(Admit(), IsEmpty());
  queue.Leave(now, a);
  EXPECT_THAT(Admit(), ElementsAre(b));
  queue.Leave(now, b);
  EXPECT_EQ(queue.active(), 0U);
}

TEST_F(UploadQueueTest, WhatWasSentBeforeWaitsForWhatWasNot) {
  const auto a = Enter(1);
  EXPECT_THAT(Admit(), ElementsAre(a));
  const auto again = Enter(1);
  const auto fresh = Enter(2);
  Send(milliseconds(150));
  queue.Leave(now, a);
  EXPECT_THAT(Admit(), ElementsAre(fresh));
  queue.Leave(now, fresh);
  EXPECT_THAT(Admit(), ElementsAre(again));
}

TEST_F(UploadQueueTest, NobodyIsPassedByForLongerThanTenSeconds) {
  const auto a = Enter(1);
  EXPECT_THAT(Admit(), ElementsAre(a));
  const auto old = Enter(1);
  queue.Leave(now, a);
  now += seconds(10);
  const auto fresh = Enter(2);
  EXPECT_THAT(Admit(), ElementsAre(old));
  queue.Leave(now, old);
  EXPECT_THAT(Admit(), ElementsAre(fresh));
}

TEST_F(UploadQueueTest, WhoLeavesTheQueueIsNotServed) {
  const auto a = Enter(1);
  EXPECT_THAT(Admit(), ElementsAre(a));
  const auto b = Enter(2);
  const auto c = Enter(3);
  queue.Leave(now, b);
  EXPECT_EQ(queue.waiting(), 1U);
  queue.Leave(now, a);
  EXPECT_THAT(Admit(), ElementsAre(c));
}

TEST_F(UploadQueueTest, SmallPiecesDoNotWait) {
  const auto a = Enter(1);
  EXPECT_THAT(Admit(), ElementsAre(a));
  const auto small = Enter(2, 4096);
  EXPECT_THAT(Admit(), ElementsAre(small));
  EXPECT_EQ(queue.active(), 1U);
  queue.Leave(now, small);
  EXPECT_EQ(queue.active(), 1U);
}

TEST_F(UploadQueueTest, APeerThatTakesNothingDoesNotHoldUpTheOthers) {
  const auto a = Enter(1);
  EXPECT_THAT(Admit(), ElementsAre(a));
  Send(milliseconds(150));
  const auto b = Enter(2);
  EXPECT_THAT(Admit(), IsEmpty());
  // Nothing moves any more.
  now += milliseconds(300);
  EXPECT_THAT(Admit(), ElementsAre(b));
}

TEST_F(UploadQueueTest, WhatIsOnlyComingIsSentToOnePeer) {
  const auto a = queue.Enter(now, 1, kPiece, true);
  EXPECT_THAT(Admit(), ElementsAre(a));
  Send(milliseconds(150));
  const auto b = queue.Enter(now, 1, kPiece, true);
  now += milliseconds(300);  // The link is idle, as that piece does not come.
  EXPECT_THAT(Admit(), IsEmpty());
  const auto other = queue.Enter(now, 2, kPiece, true);
  EXPECT_THAT(Admit(), ElementsAre(other));
  queue.Leave(now, a);
  queue.Leave(now, other);
  EXPECT_THAT(Admit(), ElementsAre(b));
  const auto c = queue.Enter(now, 1, kPiece, true);
  now += milliseconds(300);
  EXPECT_THAT(Admit(), IsEmpty());
  queue.Whole(b);
  EXPECT_THAT(Admit(), ElementsAre(c)) << "the link is idle, and the piece is here";
}

TEST_F(UploadQueueTest, WhatIsOnlyComingIsSentToTheNextWhenThePeerLeaves) {
  const auto a = queue.Enter(now, 1, kPiece, true);
  EXPECT_THAT(Admit(), ElementsAre(a));
  const auto b = queue.Enter(now, 1, kPiece, true);
  queue.Leave(now, a);
  EXPECT_THAT(Admit(), ElementsAre(b));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
