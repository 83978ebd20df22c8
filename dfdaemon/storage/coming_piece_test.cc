#include "dfdaemon/storage/coming_piece.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "common/digest/digest.h"
#include "dfdaemon/storage/storage_test_util.h"

namespace dragonfly::dfdaemon {
namespace {

using ::testing::ElementsAre;

class ComingPieceTest : public ::testing::Test {
 protected:
  std::unique_ptr<Storage> Open() { return OpenStorage(dir_.path(), clock_); }

  TempDir dir_;
  ManualClock clock_;
};

TEST_F(ComingPieceTest, APieceThatIsPassedOnIsThereForOthersAsItComes) {
  const auto storage = Open();
  const std::string content = Content(25);
  const auto task = CreateTask(*storage, "abc", 10, content.size());
  std::vector<std::pair<TaskEvent::Kind, PieceNumber>> events;
  const auto listening = task->Subscribe(
      [&](const TaskEvent& event) { events.emplace_back(event.kind, event.piece); });
  auto claim = task->ClaimPiece(1);
  ASSERT_TRUE(claim.ok()) << claim.status();
  EXPECT_EQ(task->Coming(1), nullptr);
  claim->writer->PassOn(Crc32(0, AsBytes(content.substr(10, 10))), PeerId("parent"));
  const auto coming = task->Coming(1);
  ASSERT_NE(coming, nullptr);
  EXPECT_EQ(coming->location().offset, 10U);
  EXPECT_EQ(coming->location().length, 10U);
  EXPECT_EQ(coming->location().parent_id, "parent");
  EXPECT_EQ(coming->progress().written, 0U);
  int changes = 0;
  const ComingPiece::Watch watch(coming, [&] { ++changes; });
  ASSERT_TRUE(claim->writer->Append(AsBytes(content.substr(10, 4))).ok());
  EXPECT_EQ(coming->progress().written, 4U);
  EXPECT_EQ(ReadFile(task->content_path()).substr(10, 4), content.substr(10, 4));
  EXPECT_FALSE(task->HasPiece(1)) << "only a whole one counts";
  ASSERT_TRUE(claim->writer->Append(AsBytes(content.substr(14, 6))).ok());
  EXPECT_EQ(coming->progress().state, ComingPiece::State::kComing);
  ASSERT_TRUE(claim->writer->Commit({}, coming->location().crc32).ok());
  EXPECT_EQ(coming->progress().state, ComingPiece::State::kFinished);
  EXPECT_EQ(changes, 3);
  EXPECT_EQ(task->Coming(1), nullptr);
  EXPECT_THAT(events, ElementsAre(std::pair(TaskEvent::Kind::kPieceComing, 1U),
                                  std::pair(TaskEvent::Kind::kPieceFinished, 1U)));
}

TEST_F(ComingPieceTest, APieceThatIsPassedOnIsLostWhenItDoesNotBecomeWhole) {
  const auto storage = Open();
  const auto task = CreateTask(*storage, "abc", 10, 20);
  const auto begin = [&] {
    auto claim = task->ClaimPiece(0);
    EXPECT_EQ(claim->result, StoredTask::ClaimResult::kClaimed);
    claim->writer->PassOn(7, PeerId("parent"));
    EXPECT_TRUE(claim->writer->Append(AsBytes("0123456789")).ok());
    return std::pair(std::move(claim->writer), task->Coming(0));
  };
  {
    auto [writer, coming] = begin();
    writer.reset();
    EXPECT_EQ(coming->progress().state, ComingPiece::State::kLost) << "given up";
  }
  {
    auto [writer, coming] = begin();
    writer->Restart();
    EXPECT_EQ(coming->progress().state, ComingPiece::State::kLost) << "begun anew";
    EXPECT_EQ(task->Coming(0), nullptr);
  }
  {
    auto [writer, coming] = begin();
    EXPECT_FALSE(writer->Commit({}, 7).ok());
    writer.reset();
    EXPECT_EQ(coming->progress().state, ComingPiece::State::kLost) << "not what was promised";
  }
  EXPECT_FALSE(task->HasPiece(0));
}

}  // namespace
}  // namespace dragonfly::dfdaemon
